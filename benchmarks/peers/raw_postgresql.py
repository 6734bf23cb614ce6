"""The raw limit on PostgreSQL: the recorded statements on one bare psycopg connection."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Final

from benchmarks import tape
from benchmarks.hands import open_queue
from benchmarks.peers.raw import RawSqlite, Tapes, every_call
from benchmarks.peers.settings import SHOWN
from benchmarks.results import Cell

WRITING: Final = ("INSERT", "UPDATE", "DELETE", "WITH")


class RawPostgresql(RawSqlite):
    packages: ClassVar[tuple[str, ...]] = ("psycopg",)

    async def record(self, where: str, jobs: int) -> Tapes:
        tapes: dict[str, list[tape.Operation]] = {}
        with _recording() as statements:
            async for name in every_call(where, jobs):
                tapes.setdefault(name, []).append(statements[:])
                statements.clear()
        return tapes

    async def prepare(self, where: str) -> None:
        db = await open_queue(where)
        await db.close()

    def play(self, where: str, operations: list[tape.Operation], callers: int) -> float:
        """Everything of a batch is sent before anything of it is waited for."""
        import psycopg

        # The statements were recorded with numbered parameters.
        connected = psycopg.connect(where, autocommit=True, cursor_factory=psycopg.RawCursor)
        with connected as connection, connection.pipeline() as pipe:
            begin = time.perf_counter()
            for at in range(0, len(operations), callers):
                connection.execute("BEGIN")
                for operation in operations[at : at + callers]:
                    for sql, values in operation:
                        connection.execute(sql, values, prepare=True)
                connection.execute("COMMIT")
                pipe.sync()
            return time.perf_counter() - begin

    def settings(self, where: str) -> dict[str, Cell]:
        import psycopg

        connection: Any
        with psycopg.connect(where, autocommit=True) as connection:
            return {name: connection.execute(f"SHOW {name}").fetchone()[0] for name in SHOWN}


@contextmanager
def _recording() -> Iterator[list[tape.Statement]]:
    """What any connection of this process writes, while it lasts."""
    import psycopg

    kind: Any = psycopg.Cursor
    execute = kind.execute
    heard: list[tape.Statement] = []

    def hear(self: Any, query: Any, params: Any = None, **kwargs: Any) -> Any:
        text = query.decode() if isinstance(query, bytes) else str(query)
        if text.split(maxsplit=1)[0] in WRITING:
            heard.append((query, params))
        return execute(self, query, params, **kwargs)

    kind.execute = hear
    try:
        yield heard
    finally:
        kind.execute = execute
