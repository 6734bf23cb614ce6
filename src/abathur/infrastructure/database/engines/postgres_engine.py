"""PostgreSQL: a few threads with a connection each, one transaction a use case."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, Concatenate, Final, Generic, ParamSpec, TypeVar

from abathur.domain.errors import DatabaseError
from abathur.domain.problems import Problem
from abathur.infrastructure.database.engines import postgres_inspection
from abathur.infrastructure.database.engines.base import Features, Row, SchemaConnection, Session
from abathur.infrastructure.database.engines.jobs import Job, apart, closed
from abathur.infrastructure.database.engines.postgres import translated
from abathur.infrastructure.database.engines.postgres_address import shown
from abathur.infrastructure.database.engines.postgres_link import Link, prepare_for_writing
from abathur.infrastructure.database.engines.postgres_listener import Commits
from abathur.infrastructure.database.engines.postgres_pool import Limits, Pool
from abathur.infrastructure.database.engines.postgres_runner import Runner
from abathur.infrastructure.database.engines.postgres_schema import PostgresSchema
from abathur.infrastructure.database.engines.postgres_server import Server, ServerClock
from abathur.ports.clock import Clock

C = TypeVar("C")
P = ParamSpec("P")
T = TypeVar("T")

FEATURES: Final = Features(name="postgres", row_locks=True, notifies=True)
PATIENCE: Final = 30.0
"""Seconds that an operation waits for a lock, or for a server that is away."""
WRITERS: Final = Limits(threads=4, turns=1, batch=128)
READERS: Final = Limits(threads=4, turns=4, batch=1)


class PostgresEngine(Generic[C]):
    """Meets `base.Engine`. `prepare` looks at the schema when the database is opened.

    `save` writes everything into a new file.
    """

    def __init__(
        self,
        url: str,
        *,
        statements: Mapping[str, str],
        open_stores: Callable[[Session], C],
        prepare: Callable[[SchemaConnection], object],
        save: Callable[[Path], None],
        patience: float = PATIENCE,
    ) -> None:
        self._where = shown(url)
        self._statements = statements
        self._open_stores = open_stores
        self._prepare = prepare
        self._save = save
        self._patience = patience
        self._server = Server(url, self._where, patience)
        self._commits = Commits(self._server)
        self._lifecycle = Lock()
        self._writers: Pool[C] | None = None
        self._readers: Pool[C] | None = None
        self._process = os.getpid()

    @property
    def features(self) -> Features:
        return FEATURES

    def open(self) -> None:
        with self._lifecycle:
            if self._writers is None:
                self._process = os.getpid()
                self._open()
            self._refuse_after_fork()

    def examine(self, look: Callable[[SchemaConnection], T]) -> T:
        with self._server.connected() as connection:
            return look(PostgresSchema(connection, self._where))

    def close(self) -> None:
        with self._lifecycle:
            self._refuse_after_fork()
            self._shut(wait=True)
            self._writers = self._readers = None

    def abandon(self) -> None:
        if os.getpid() == self._process:
            self._shut(wait=False)

    def write(
        self, use_case: Callable[Concatenate[C, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[T]:
        job: Job[C, T] = Job(use_case, *args, **kwargs)
        self._live(self._writers).submit(job)
        return job.future

    def read(
        self, query: Callable[Concatenate[C, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[T]:
        job: Job[C, T] = Job(query, *args, **kwargs)
        self._live(self._readers).submit(job)
        return job.future

    def query(self, sql: str, params: Sequence[object]) -> asyncio.Future[list[Row]]:
        return self._inspect(postgres_inspection.query, sql, params)

    def backup(self, target: Path) -> asyncio.Future[None]:
        self._live(self._readers)
        return asyncio.ensure_future(apart(lambda: self._save(target)))

    def check(self, full: bool) -> asyncio.Future[list[Problem]]:
        return self._inspect(postgres_inspection.check)

    def vacuum(self) -> asyncio.Future[None]:
        return self._inspect(postgres_inspection.vacuum, self._where)

    def info(self) -> asyncio.Future[dict[str, Any]]:
        return self._inspect(postgres_inspection.info, self._where)

    def data_version(self) -> int:
        self._live(self._writers)
        return self._commits.count

    def on_commit(self, listener: Callable[[], None]) -> Callable[[], None]:
        self._live(self._writers)
        return self._commits.listen(listener)

    def clock(self) -> Clock:
        return ServerClock(self._server)

    def _open(self) -> None:
        connection = self._server.connect()
        try:
            self._prepare(PostgresSchema(connection, self._where))
        except BaseException:
            connection.close()
            raise
        # So a command that asks one thing needs one connection.
        self._server.keep(connection)
        self._writers = Pool(WRITERS, "writer", self._where, self._writer)
        self._readers = Pool(READERS, "reader", self._where, self._reader)

    def _writer(self) -> Runner[C]:
        tell = self._commits.tell
        return Runner(self._server, lambda: self._link(True), patience=self._patience, tell=tell)

    def _reader(self) -> Runner[C]:
        return Runner(self._server, lambda: self._link(False), patience=self._patience, tell=None)

    def _link(self, writing: bool) -> Link[C]:
        connection = self._server.connect()
        # It may be gone again already, which is as if it had never been made.
        with translated(self._where, connection):
            if writing:
                prepare_for_writing(connection)
            link = Link(
                connection,
                self._where,
                self._statements,
                self._open_stores,
                writing=writing,
            )
        self._commits.own |= {link.pid}
        return link

    def _inspect(self, work: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        """Seldom asked for, so on a thread and a connection of its own."""
        self._live(self._readers)

        def inspect() -> T:
            with self._server.connected() as connection:
                return work(connection, *args)

        return asyncio.ensure_future(apart(inspect))

    def _shut(self, wait: bool) -> None:
        self._commits.close()
        for pool in (self._readers, self._writers):
            if pool is not None:
                pool.close(wait)
        self._server.close()

    def _live(self, pool: Pool[C] | None) -> Pool[C]:
        self._refuse_after_fork()
        if pool is None:
            raise closed(self._where)
        return pool

    def _refuse_after_fork(self) -> None:
        if os.getpid() != self._process:
            raise DatabaseError(
                f"`{self._where}` was opened before this process was forked; "
                "open another `Database` here"
            )
