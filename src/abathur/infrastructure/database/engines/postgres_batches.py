"""Rows that wait to be written together, one statement for all rows of a kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from abathur.domain.errors import AbathurError
from abathur.infrastructure.database.codecs import json_bytes, to_columns
from abathur.infrastructure.database.engines.postgres_statements import Statement, Update

PARENTS_FIRST: Final = (
    "workers",
    "tasks",
    "task_dependencies",
    "attempts",
    "agents",
    "landings",
)
"""Rows point to rows of tables that come before theirs."""
MOST_ROWS: Final = 100
"""Few enough that the server is busy with some while others are being made."""
MOST_BYTES: Final = 16 * 1024 * 1024
UNLIKE_COLUMNS: Final = (b"\\u0000", b":true", b":false")
"""What JSON may hold that isn't what the driver would make of it for a column."""


@dataclass(slots=True)
class Batch:
    table: str
    sql: bytes
    """For one row."""
    many: bytes
    """For a JSON array of them."""
    names: tuple[str, ...]
    is_guarded: bool = False
    is_update: bool = False
    rows: list[Mapping[str, object]] = field(default_factory=list)
    expected: tuple[str, ...] = ()
    """Of the names, those that no column gets its value from."""
    missing: list[AbathurError] = field(default_factory=list)
    """What it means, for each row of guarded updates, that it isn't there."""
    keys: set[object] = field(default_factory=set)

    def json(self) -> bytes | None:
        """All rows as one value; None when they have to be written one by one."""
        try:
            text = json_bytes([self._shape(row) for row in self.rows])
        except orjson.JSONEncodeError:
            return None
        if len(text) > MOST_BYTES or any(word in text for word in UNLIKE_COLUMNS):
            return None
        return text

    def _shape(self, row: Mapping[str, object]) -> dict[str, object]:
        """What the row holds, without what is NULL: the server makes that of what is missing."""
        shape = {name: value for name in self.names if (value := row[name]) is not None}
        if not self.is_update:
            return shape
        told: dict[str, object] = {name: shape.pop(name) for name in self.expected}
        told["new"] = shape
        return told

    def one_by_one(self) -> Iterator[list[Any]]:
        for row in self.rows:
            yield to_columns(row, self.names)


class Batches:
    """At most one kind for each table, so that the order of kinds doesn't matter."""

    __slots__ = ("_by_table",)

    def __init__(self) -> None:
        self._by_table: dict[str, Batch] = {}

    def __bool__(self) -> bool:
        return bool(self._by_table)

    def insert(self, statement: Statement, row: Mapping[str, object]) -> bool:
        """False when what waits has to be written before."""
        batch = self._by_table.get(statement.table)
        if batch is None:
            assert statement.many is not None
            batch = Batch(statement.table, statement.sql, statement.many, statement.names)
            self._by_table[statement.table] = batch
        if batch.sql != statement.sql or len(batch.rows) == MOST_ROWS:
            return False
        if statement.key:
            key = tuple([row[name] for name in statement.key])
            if key in batch.keys:
                return False
            batch.keys.add(key)
        batch.rows.append(row)
        return True

    def update(
        self, update: Update, missing: AbathurError | None, row: Mapping[str, object]
    ) -> bool:
        """As `insert`; a row is changed once at most by what waits."""
        table = update.statement.table
        key = row.get("id") or (row["task_id"], row["number"])
        batch = self._by_table.get(table)
        if batch is None:
            batch = Batch(
                table,
                update.guarded,
                update.many,
                update.statement.names,
                is_guarded=missing is not None,
                is_update=True,
                expected=update.expected,
            )
            self._by_table[table] = batch
        elif batch.sql != update.guarded or key in batch.keys or len(batch.rows) == MOST_ROWS:
            return False
        batch.rows.append(row)
        batch.keys.add(key)
        if missing is not None:
            batch.missing.append(missing)
        return True

    def take(self) -> Sequence[Batch]:
        """All that waits, in an order in which it can be written."""
        taken = sorted(self._by_table.values(), key=_place)
        self._by_table.clear()
        return taken

    def clear(self) -> None:
        self._by_table.clear()


def _place(batch: Batch) -> int:
    table = batch.table
    return PARENTS_FIRST.index(table) if table in PARENTS_FIRST else len(PARENTS_FIRST)
