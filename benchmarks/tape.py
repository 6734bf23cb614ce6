"""Records what use cases write, statement by statement, and plays it again on bare apsw.

So the raw limit writes the very same rows, with nothing around it: no use case, no reading, no
thread, no savepoint.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

import apsw

from abathur.infrastructure.database.codecs import to_column
from abathur.infrastructure.database.engines.sqlite import connect

BUSY_TIMEOUT: Final = 60.0

Statement: TypeAlias = tuple[str, Any]
Operation: TypeAlias = Sequence[Statement]
"""What one durable write is made of."""


@dataclass
class Recorder:
    """Takes down the writes of every connection that is opened while it listens."""

    operations: list[Operation] = field(default_factory=list)
    _open: list[Statement] = field(default_factory=list)

    def hear(self, cursor: apsw.Cursor, sql: str, bindings: Any) -> bool:
        word = sql.lstrip().partition(" ")[0].rstrip(";")
        if word == "BEGIN":
            self._open = []
        elif word == "COMMIT":
            self.operations.append(self._open)
        elif not cursor.is_readonly:
            self._open.append((sql, [to_column(value) for value in bindings or ()]))
        return True

    def listen_to(self, connection: apsw.Connection) -> None:
        connection.exec_trace = self.hear

    def taken(self) -> list[Operation]:
        """What was recorded since the last call."""
        operations, self.operations = self.operations, []
        return operations


@contextmanager
def recording() -> Iterator[Recorder]:
    recorder = Recorder()
    apsw.connection_hooks.append(recorder.listen_to)
    try:
        yield recorder
    finally:
        apsw.connection_hooks.remove(recorder.listen_to)


def play(file: Path, operations: Sequence[Operation], batch: int) -> float:
    """Seconds for all on one connection that is open, one commit for each batch of them."""
    connection = connect(str(file), busy_timeout=BUSY_TIMEOUT)
    connection.execute("PRAGMA wal_autocheckpoint = 1000")
    connection.execute("SELECT count(*) FROM tasks").fetchall()
    begin = time.perf_counter()
    for at in range(0, len(operations), batch):
        commit(connection, operations[at : at + batch])
    seconds = time.perf_counter() - begin
    connection.close()
    return seconds


def play_apart(file: Path, operations: Sequence[Operation], threads: int) -> None:
    """Each operation on a connection of its own, by so many threads at once."""
    shares = [operations[start::threads] for start in range(threads)]
    workers = [threading.Thread(target=_play_share, args=(file, share)) for share in shares]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def _play_share(file: Path, operations: Sequence[Operation]) -> None:
    for operation in operations:
        connection = connect(str(file), busy_timeout=BUSY_TIMEOUT)
        connection.execute("PRAGMA wal_autocheckpoint = 1000")
        commit(connection, [operation])
        connection.close()


def commit(connection: apsw.Connection, operations: Sequence[Operation]) -> None:
    cursor = connection.cursor()
    cursor.execute("BEGIN IMMEDIATE")
    for operation in operations:
        for sql, bindings in operation:
            cursor.execute(sql, bindings).fetchall()
    cursor.execute("COMMIT")
