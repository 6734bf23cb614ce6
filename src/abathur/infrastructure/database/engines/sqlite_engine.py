"""SQLite: one writing thread with group commit, a few reading ones, one file."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any, Concatenate, Final, Generic, ParamSpec, TypeVar

from abathur.domain.errors import (
    DatabaseBusyError,
    DatabaseError,
    DatabaseFullError,
    DatabaseReadOnlyError,
    OlderDatabaseError,
)
from abathur.domain.problems import Problem
from abathur.infrastructure.clock import SystemClock
from abathur.infrastructure.database.engines import sqlite_inspection
from abathur.infrastructure.database.engines.base import Features, Row, SchemaConnection, Session
from abathur.infrastructure.database.engines.jobs import Job, closed
from abathur.infrastructure.database.engines.sqlite import (
    MEMORY,
    Connection,
    connect,
    read_only,
    translated,
)
from abathur.infrastructure.database.engines.sqlite_copies import copy
from abathur.infrastructure.database.engines.sqlite_files import OpenFiles
from abathur.infrastructure.database.engines.sqlite_forks import note_closed, note_open
from abathur.infrastructure.database.engines.sqlite_gate import refuse_library, refuse_network
from abathur.infrastructure.database.engines.sqlite_glance import glance
from abathur.infrastructure.database.engines.sqlite_lock import Alone, Turns, lost, taken, turns
from abathur.infrastructure.database.engines.sqlite_onlooker import Onlooker
from abathur.infrastructure.database.engines.sqlite_opened import Opened
from abathur.infrastructure.database.engines.sqlite_readers import Readers
from abathur.infrastructure.database.engines.sqlite_schema import ReplacedError, SqliteSchema
from abathur.infrastructure.database.engines.sqlite_swap import (
    Identity,
    identity,
    is_unsettled,
    settle,
)
from abathur.infrastructure.database.engines.sqlite_vacuum import vacuum
from abathur.infrastructure.database.engines.sqlite_writer import Errand, Writer
from abathur.ports.clock import Clock

C = TypeVar("C")
P = ParamSpec("P")
T = TypeVar("T")

FEATURES: Final = Features(name="sqlite", row_locks=False, notifies=False)
BUSY_TIMEOUT: Final = 30.0
"""Seconds that a write waits for its turn among processes."""


class SqliteEngine(Generic[C]):
    """Meets `base.Engine`. `path` None is a database in memory, which ends with `close`."""

    def __init__(
        self,
        path: Path | None,
        *,
        statements: Mapping[str, str],
        open_stores: Callable[[Session], C],
        prepare: Callable[[SchemaConnection], object],
        convert: Callable[[Path, float], object] | None = None,
        require: Callable[[SchemaConnection], object] | None = None,
        busy_timeout: float = BUSY_TIMEOUT,
    ) -> None:
        """With `require`, which raises unless the schema is today's, a file that has no room to
        be opened, or may not be written, is only read."""
        self._path = path
        self._where = MEMORY if path is None else str(path)
        self._statements = statements
        self._open_stores = open_stores
        self._prepare = prepare
        self._convert = convert
        self._require = require
        self._busy_timeout = busy_timeout
        self._lifecycle = Lock()
        self._writer: Writer[C] | None = None
        self._readers: Readers[C] | None = None
        self._onlooker: Onlooker[C] | None = None
        self._pulse: Pulse | None = None
        self._files: OpenFiles | None = None
        self._process = os.getpid()
        self._turn: Turns = Alone()

    @property
    def features(self) -> Features:
        return FEATURES

    def open(self) -> None:
        self._begin_again_in_a_child()
        with self._lifecycle:
            if self._writer is None and self._onlooker is None:
                self._open()

    def examine(self, look: Callable[[SchemaConnection], T]) -> T:
        def at(connection: Connection) -> T:
            return look(
                SqliteSchema(connection, self._path, self._where, Alone(), self._busy_timeout)
            )

        if self._path is not None:
            return glance(self._path, at, self._busy_timeout)
        connection = connect(MEMORY, busy_timeout=0)
        try:
            return at(connection)
        finally:
            connection.close()

    def close(self) -> None:
        self._begin_again_in_a_child()
        with self._lifecycle:
            self._shut(wait=True)
            if self._writer is not None and self._path is not None:
                note_closed(self._path)
            self._writer = self._readers = self._pulse = self._onlooker = None

    def abandon(self) -> None:
        if os.getpid() == self._process:
            self._shut(wait=False)

    def write(
        self, use_case: Callable[Concatenate[C, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[T]:
        job: Job[C, T] = Job(use_case, *args, **kwargs)
        self._live().submit(job)
        return job.future

    def read(
        self, query: Callable[Concatenate[C, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[T]:
        return self._apart(Opened.snapshot, query, *args, **kwargs)

    def query(self, sql: str, params: Sequence[object]) -> asyncio.Future[list[Row]]:
        return self._apart(Opened.inspect, sqlite_inspection.query, sql, params)

    def backup(self, target: Path) -> asyncio.Future[None]:
        return self._apart(Opened.borrow, copy, target)

    def check(self, full: bool) -> asyncio.Future[list[Problem]]:
        return self._apart(Opened.inspect, sqlite_inspection.check, full)

    def vacuum(self) -> asyncio.Future[None]:
        errand: Errand[Opened[C], None] = Errand(
            Opened.borrow, vacuum, self._turn, self._where, self._busy_timeout
        )
        self._live().submit(errand)
        return errand.future

    def info(self) -> asyncio.Future[dict[str, Any]]:
        return self._apart(Opened.inspect, sqlite_inspection.info, self._path)

    def clock(self) -> Clock:
        return SystemClock()

    def data_version(self) -> int:
        writer, pulse = self._live(), self._pulse
        return writer.commits if pulse is None else pulse.beat()

    def on_commit(self, listener: Callable[[], None]) -> Callable[[], None]:
        if self._onlooker is not None:
            return lambda: None
        return self._live().listen(listener)

    def _open(self) -> None:
        path = self._path
        if path is None:
            self._start_writer(Alone())
            return
        refuse_library()
        try:
            self._open_file(path)
        except (DatabaseFullError, DatabaseReadOnlyError) as error:
            self._look_on(path, error)

    def _look_on(self, path: Path, refusal: DatabaseError) -> None:
        if self._require is None:
            raise refusal
        try:
            self.examine(self._require)
        except DatabaseError:
            # What is in the way of opening it is what has to go first.
            raise refusal from None
        self._onlooker = Onlooker(
            path,
            self._statements,
            self._open_stores,
            refusal=refusal,
            timeout=self._busy_timeout,
        )

    def _open_file(self, path: Path) -> None:
        _make_folder(path.parent)
        refuse_network(path.parent)
        note_open(path)
        try:
            self._start_writer(turns(path))
            self._readers = Readers(self._open_reader, self._where)
            self._pulse = Pulse(self._where)
        except BaseException:
            note_closed(path)
            raise

    def _start_writer(self, turn: Turns) -> None:
        try:
            connection = self._connect(self._path, turn)
        except BaseException:
            turn.close()
            raise
        self._turn = turn
        self._writer = Writer(self._opened(connection), turn, self._busy_timeout)

    def _look_up(self, connection: Connection, path: Path) -> OpenFiles:
        with translated(self._where, connection):
            # The log is opened by the first statement that reads.
            connection.execute("SELECT 1 FROM sqlite_schema").fetchall()
        return OpenFiles(connection, path)

    def _connect(self, path: Path | None, turn: Turns) -> Connection:
        if path is not None and is_unsettled(path):
            with taken(turn, self._where, self._busy_timeout):
                settle(path)
        while True:
            if path is not None:
                self._refuse_lost(path, turn)
            try:
                return self._prepared(path, turn)
            except ReplacedError:
                continue
            except OlderDatabaseError:
                if path is None or self._convert is None:
                    raise
            # Without a connection of its own: the conversion needs the file to itself.
            with taken(turn, self._where, self._busy_timeout):
                self._convert(path, self._busy_timeout)

    def _refuse_lost(self, path: Path, turn: Turns) -> None:
        """Rather than begin an empty queue where one was."""
        if _has_content(path) or not turn.remembers():
            return
        # While another file is put in its place, there is none for a moment.
        with taken(turn, self._where, self._busy_timeout):
            settle(path)
            if not _has_content(path):
                raise DatabaseError(lost(path))

    def _prepared(self, path: Path | None, turn: Turns) -> Connection:
        """Raises `ReplacedError` when another file was put at the path meanwhile.

        What a connection to the former one sees then is a mixture, as logs are found by name.
        """
        before = None if path is None else identity(path)
        try:
            connection = self._open_prepared(path, turn, before)
        except DatabaseError as error:
            if before is not None and path is not None and identity(path) != before:
                raise ReplacedError from error
            raise
        return connection

    def _open_prepared(self, path: Path | None, turn: Turns, before: Identity | None) -> Connection:
        connection = connect(self._where, busy_timeout=self._busy_timeout)
        try:
            schema = SqliteSchema(
                connection, path, self._where, turn, self._busy_timeout, opened=before
            )
            self._prepare(schema)
            schema.use_log()
            if schema.is_replaced():
                raise ReplacedError
            self._files = None if path is None else self._look_up(connection, path)
            turn.remember()
        except BaseException:
            connection.close()
            raise
        return connection

    def _opened(self, connection: Connection) -> Opened[C]:
        return Opened(connection, self._where, self._statements, self._open_stores, self._files)

    def _open_reader(self) -> Opened[C]:
        if self._files is not None:
            self._files.check()
        return self._opened(connect(self._where, busy_timeout=self._busy_timeout, read_only=True))

    def _shut(self, wait: bool) -> None:
        # The writer goes last: it empties the log if nobody else has the file open.
        for part in (self._pulse, self._readers, self._writer):
            if part is not None:
                part.close(wait)

    def _apart(self, work: Callable[..., T], /, *args: Any, **kwargs: Any) -> asyncio.Future[T]:
        if (onlooker := self._onlooker) is not None:
            return onlooker.submit(work, *args, **kwargs)
        writer = self._live()
        # Another thread may close it just now.
        readers = self._readers
        if readers is None:
            errand: Errand[Opened[C], T] = Errand(work, *args, **kwargs)
            writer.submit(errand)
            return errand.future
        job: Job[Opened[C], T] = Job(work, *args, **kwargs)
        readers.submit(job)
        return job.future

    def _live(self) -> Writer[C]:
        writer = self._writer
        if writer is None:
            if self._onlooker is not None:
                self._onlooker.refuse()
            raise closed(self._where)
        self._refuse_after_fork()
        return writer

    def _begin_again_in_a_child(self) -> None:
        """Before the lock is taken: a thread that held it at the fork isn't there to release it."""
        if os.getpid() != self._process and self._writer is None:
            self._lifecycle = Lock()
            self._process = os.getpid()
        self._refuse_after_fork()

    def _refuse_after_fork(self) -> None:
        if os.getpid() != self._process:
            raise DatabaseError(
                f"`{self._where}` was opened before this process was forked; open it after the "
                "fork only, or start processes by `spawn`"
            )


class Pulse:
    """A connection that only watches whether anybody commits."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._connection: Connection | None = None
        self._mutex = Lock()
        self._closed = False
        self._last = 0

    def beat(self) -> int:
        with self._mutex, suppress(DatabaseBusyError):
            if self._closed:
                raise closed(self._where)
            if self._connection is None:
                self._connection = connect(self._where, busy_timeout=0, read_only=True)
            with translated(self._where, self._connection):
                version: Any = self._connection.execute("PRAGMA data_version").get
                self._last = version
        return self._last

    def close(self, wait: bool = True) -> None:
        with self._mutex:
            self._closed = True
            if self._connection is not None:
                self._connection.close()


def _has_content(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise read_only(str(folder), error) from error
        raise DatabaseError(f"can't create the folder `{folder}`: {error.strerror}") from error
