"""One connection while its schema is looked at and brought up to date."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from abathur.infrastructure.database.engines.postgres import Connection, translated

Values = tuple[Any, ...]

LOCK: Final = 0x41626174687572
"""Of those who change the schema: one at a time in a database."""
TABLES: Final = """
SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename"""
COLUMNS: Final = """
SELECT column_name FROM information_schema.columns
WHERE table_schema = current_schema() AND table_name = ? AND is_generated = 'NEVER'
ORDER BY ordinal_position"""
"""Without those that the server makes of others."""
NOW: Final = (
    """SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
)
_COMMENT: Final = re.compile(r"--[^\n]*")


class PostgresSchema:
    """Meets `base.SchemaConnection`. Several at once are told apart by nothing but their work."""

    def __init__(self, connection: Connection, where: str) -> None:
        self._connection = connection
        self._where = where

    @property
    def where(self) -> str:
        return self._where

    def rows(self, sql: str, params: Sequence[object] = ()) -> list[Values]:
        with translated(self._where, self._connection):
            cursor = self._connection.execute(positional(sql, params), params or None)
            found = cursor.fetchall() if cursor.description else []
        return [tuple(row.values()) for row in found]

    def tables(self) -> list[str]:
        return [name for (name,) in self.rows(TABLES)]

    def columns(self, table: str) -> list[str]:
        return [name for (name,) in self.rows(COLUMNS, (table,))]

    def now(self) -> str:
        ((text,),) = self.rows(NOW)
        return str(text)

    def is_complete(self, sql: str) -> bool:
        text = _COMMENT.sub("", sql)
        return text.endswith(";") and text.count("'") % 2 == 0 and text.count("$$") % 2 == 0

    @contextmanager
    def alone(self) -> Iterator[None]:
        self.rows(f"SELECT pg_advisory_lock({LOCK})")
        try:
            yield
        finally:
            if not self._connection.closed:
                self.rows(f"SELECT pg_advisory_unlock({LOCK})")

    @contextmanager
    def step(self) -> Iterator[None]:
        with translated(self._where, self._connection), self._connection.transaction():
            yield

    def save_copy(self, version: int) -> None:
        """The step is undone when it fails; copies are made with the server's own programs."""


def positional(sql: str, params: Sequence[object]) -> bytes:
    """With `$1`, `$2`, ... in place of `?`, where there are values for them."""
    numbers = itertools.count(1)
    return (re.sub(r"\?", lambda _: f"${next(numbers)}", sql) if params else sql).encode()
