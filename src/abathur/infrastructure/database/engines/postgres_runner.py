"""Does jobs one after the other: connects, repeats what may be repeated, waits for a server."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from random import uniform
from threading import Event
from typing import Any, Final, Generic, TypeVar

from abathur.domain.errors import (
    DatabaseError,
    DatabaseUnreachableError,
    IntegrityViolation,
    StaleFenceError,
)
from abathur.infrastructure.database.engines.jobs import Job
from abathur.infrastructure.database.engines.postgres import CrowdedError
from abathur.infrastructure.database.engines.postgres_link import Apart, Link, Lost, Repeat
from abathur.infrastructure.database.engines.postgres_server import Server

C = TypeVar("C")

REPEATS: Final = 12
REPEATS_OF_REFUSED: Final = 5
"""For what a constraint refused: mostly it will be refused every time."""
CULPRITS: Final = 3
"""Jobs that are taken out of a common transaction before it is given up."""
FIRST_PAUSE: Final = 0.005
LONGEST_PAUSE: Final = 0.5


class Crowded(Exception):
    """The server has no connection for this thread; others of its pool have one and can do it."""


class Runner(Generic[C]):
    """Belongs to one thread."""

    def __init__(
        self,
        server: Server,
        open_link: Callable[[], Link[C]],
        *,
        patience: float,
        tell: Callable[[], None] | None,
    ) -> None:
        self._server = server
        self._open_link = open_link
        self._patience = patience
        self._tell = tell
        """Called after a commit that others may wait for; None when the jobs only read."""
        self._link: Link[C] | None = None
        self._pause = Event()
        self._may_yield = False

    def together(
        self, jobs: Sequence[Job[C, Any]], done: Callable[[], None], *, may_yield: bool = False
    ) -> Sequence[Job[C, Any]]:
        """Do the jobs in one transaction, without waiting long for locks of others.

        Calls `done`, maybe several times, once the jobs have run and are only to be committed.

        Those that come back have to be `run`: what failed here may go well there. The others have
        their results, durable if they are writes, or their errors. Raises `Crowded`, with the jobs
        untouched, when `may_yield`.
        """
        self._may_yield = may_yield
        end = time.monotonic() + self._patience
        left, apart = list(jobs), list[Job[C, Any]]()
        while left:
            try:
                self._once(left, end, done)
                break
            except Repeat:
                return jobs
            except Apart as undone:
                if undone.culprit is None or len(apart) == CULPRITS:
                    return [*left, *apart]
                left.remove(undone.culprit)
                apart.append(undone.culprit)
            # From here on there is something to lose.
            self._may_yield = False
        return [*(job for job in left if isinstance(job.error, StaleFenceError)), *apart]

    def run(self, job: Job[C, Any]) -> None:
        """Afterwards the job has its result, durable if it is a write, or its error."""
        self._may_yield = False
        end = time.monotonic() + self._patience
        is_second = isinstance(job.error, StaleFenceError)
        for repeat in range(REPEATS):
            try:
                self._once([job], end)
            except Repeat as conflict:
                job.error = conflict.error
                if isinstance(conflict.error, IntegrityViolation) and repeat >= REPEATS_OF_REFUSED:
                    return
            else:
                # A save found another fence than was read: who still holds the row succeeds now,
                # everybody else gets the same answer again.
                if is_second or not isinstance(job.error, StaleFenceError):
                    return
                is_second = True
            self._wait(repeat)

    def close(self) -> None:
        if self._link is not None:
            self._link.close()

    def _once(
        self, jobs: Sequence[Job[C, Any]], end: float, done: Callable[[], None] | None = None
    ) -> None:
        """One transaction, begun again for as long as the connection is lost in it."""
        attempt = 0
        while True:
            try:
                self._attempt(jobs, end, done)
                return
            except DatabaseError as error:
                _fail(jobs, error)
                return
            except Lost as loss:
                self._drop()
                if loss.token is not None and self._is_settled(jobs, loss.token, end):
                    return
                if time.monotonic() >= end:
                    _fail(jobs, loss.error)
                    return
            self._wait(attempt)
            attempt += 1

    def _attempt(
        self, jobs: Sequence[Job[C, Any]], end: float, done: Callable[[], None] | None
    ) -> None:
        """In a transaction of all if there is something to tell when they are `done`."""
        if self._link is None or not self._link.is_usable:
            self._drop()
            self._link = self._linked(end)
        if self._server.is_time_old:
            self._link.measure(self._server)
        if self._tell is None:
            for job in jobs:
                self._link.read(job)
        elif self._link.write_together(jobs, done) if done else self._link.write(jobs[0]):
            self._tell()

    def _linked(self, end: float) -> Link[C]:
        attempt = 0
        while True:
            try:
                return self._open_link()
            except DatabaseError as error:
                # It let us in before; what it says while it starts or recovers is over soon.
                if isinstance(error, CrowdedError) and self._may_yield:
                    raise Crowded from error
                if time.monotonic() >= end:
                    raise
            self._wait(attempt)
            attempt += 1

    def _is_settled(self, jobs: Sequence[Job[C, Any]], token: str, end: float) -> bool:
        """Find out whether the commit took place; False when the jobs have to be done again."""
        took_place = self._took_place(token, end)
        if took_place and self._tell is not None:
            self._tell()
        elif took_place is None:
            _fail(
                jobs,
                DatabaseUnreachableError(
                    f"the connection to `{self._server.where}` was lost in a commit, and the "
                    "server can't be asked whether it took place; look before you do it again"
                ),
            )
        return took_place is not False

    def _took_place(self, token: str, end: float) -> bool | None:
        attempt = 0
        while time.monotonic() < end:
            took_place = self._server.took_place(token)
            if took_place is not None:
                return took_place
            self._wait(attempt)
            attempt += 1
        return None

    def _drop(self) -> None:
        if self._link is not None:
            self._link.close()
        self._link = None

    def _wait(self, attempt: int) -> None:
        self._pause.wait(uniform(0.5, 1.0) * min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**attempt))


def _fail(jobs: Sequence[Job[Any, Any]], error: DatabaseError) -> None:
    for job in jobs:
        job.error = error
