"""The raw limit on PostgreSQL: the recorded statements on one bare psycopg connection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from benchmarks import tape
from benchmarks.hands import open_queue
from benchmarks.peers.raw import CALLS, RawSqlite, Tapes, every_call
from benchmarks.peers.settings import SHOWN
from benchmarks.results import Cell


class RawPostgresql(RawSqlite):
    packages: ClassVar[tuple[str, ...]] = ("psycopg",)

    async def record(self, where: str) -> Tapes:
        tapes: dict[str, list[tape.Operation]] = {}
        with _recording() as statements:
            async for name in every_call(where):
                tapes.setdefault(name, []).append(statements[:])
                statements.clear()
        return {name: tapes[name] for name in CALLS}

    async def prepare(self, where: str) -> None:
        db = await open_queue(where)
        await db.close()

    def play(self, where: str, operations: list[tape.Operation], callers: int) -> float:
        import psycopg

        with psycopg.connect(where) as connection:
            return tape.play_on(connection, operations, callers)

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
        if str(query).lstrip().partition(" ")[0] in tape.WRITING:
            heard.append((query, params))
        return execute(self, query, params, **kwargs)

    kind.execute = hear
    try:
        yield heard
    finally:
        kind.execute = execute
