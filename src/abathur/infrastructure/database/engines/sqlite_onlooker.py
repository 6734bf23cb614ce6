"""Reading a file that can't be opened: its disk is full, or it may not be written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any, Concatenate, Generic, NoReturn, ParamSpec, TypeVar

from abathur.domain.errors import DatabaseError
from abathur.infrastructure.database.engines.base import Session
from abathur.infrastructure.database.engines.jobs import Job, answer
from abathur.infrastructure.database.engines.sqlite import Connection
from abathur.infrastructure.database.engines.sqlite_glance import glance
from abathur.infrastructure.database.engines.sqlite_opened import Opened

C = TypeVar("C")
P = ParamSpec("P")
T = TypeVar("T")


class Onlooker(Generic[C]):
    """Needs no room and no right to write: each call is a glance, with a connection of its own."""

    def __init__(
        self,
        path: Path,
        statements: Mapping[str, str],
        open_stores: Callable[[Session], C],
        *,
        refusal: DatabaseError,
        timeout: float,
    ) -> None:
        """`refusal` is why it couldn't be opened, and what everything gets that would write."""
        self._path = path
        self._statements = statements
        self._open_stores = open_stores
        self._refusal = refusal
        self._timeout = timeout

    def refuse(self) -> NoReturn:
        raise type(self._refusal)(str(self._refusal)) from self._refusal

    def submit(
        self,
        work: Callable[Concatenate[Opened[C], P], T],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> asyncio.Future[T]:
        job: Job[Opened[C], T] = Job(work, *args, **kwargs)
        Thread(target=self._run, args=(job,), name="abathur-database-look", daemon=True).start()
        return job.future

    def _run(self, job: Job[Opened[C], Any]) -> None:
        try:
            glance(self._path, partial(self._look, job), self._timeout)
        except Exception as error:
            # Whatever it is: nobody must wait for an answer in vain.
            job.error = error
        answer([job])

    def _look(self, job: Job[Opened[C], Any], connection: Connection) -> None:
        job.run(Opened(connection, str(self._path), self._statements, self._open_stores, None))
        if isinstance(job.error, DatabaseError):
            # It may only be that somebody wrote meanwhile: then it is done again.
            raise job.error
