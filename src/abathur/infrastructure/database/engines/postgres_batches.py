"""Rows that wait to be written together, one statement for all rows of a kind."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

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
NAMED_IN_STATEMENTS: Final = frozenset({*PARENTS_FIRST, "costs"})
"""No function of the schema looks at these, so statements that do say their names."""
OF_MANY_KINDS: Final = frozenset({"tasks", "attempts", "landings"})
"""All that waits for these tells which row it is about, so several kinds may wait together."""
POINTED_TO_BY_CHANGES: Final = frozenset({"workers", "agents"})
"""What a change of a present row may point to without naming its table."""
POINTING_TO_TASKS: Final = frozenset({"schedules"})
"""Where a change of a present row may point to a task besides."""
MOST_ROWS: Final = 32
"""Few enough that the server is busy with some while others are being made."""
MOST_BYTES: Final = 16 * 1024 * 1024
SUSPECT: Final = (b"\\u0000", b":true", b":false")
UNLIKE_COLUMNS: Final = re.compile(rb"""(?<!\\)(?:\\\\)*\\u0000|(?<!\\)":(?:true|false)""")
"""What JSON may hold that isn't what the driver would make of it for a column.

Within a text, as in what the trail tells, the quotes and backslashes have a backslash before them.
"""

Key: TypeAlias = tuple[object, ...]


def as_json(rows: Sequence[Mapping[str, str]]) -> str | None:
    """Rows of texts as one value; None when they have to be written in smaller batches."""
    try:
        text = json_bytes(rows)
    except orjson.JSONEncodeError:
        return None
    return text.decode() if len(text) <= MOST_BYTES else None


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

    def json(self) -> bytes | None:
        """All rows as one value; None when they have to be written one by one."""
        try:
            text = json_bytes([self._shape(row) for row in self.rows])
        except orjson.JSONEncodeError:
            return None
        if len(text) > MOST_BYTES:
            return None
        # Looking for words is quick, and seldom finds any.
        if any(word in text for word in SUSPECT) and UNLIKE_COLUMNS.search(text):
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
    """Rows of several kinds, in an order that doesn't matter: each row is in one of them."""

    __slots__ = ("_by_sql", "_keys")

    def __init__(self) -> None:
        self._by_sql: dict[bytes, Batch] = {}
        self._keys: dict[str, dict[Key | None, Batch]] = {}
        """By table: whose rows wait, and with which kind."""

    def __bool__(self) -> bool:
        return bool(self._by_sql)

    def concern(self, statement: Statement) -> bool:
        """Whether the statement could find something else when all that waits were written."""
        if not self._by_sql or (statement.changes and not statement.is_update):
            return bool(self._by_sql)
        waiting = self._keys.keys()
        if not waiting <= NAMED_IN_STATEMENTS:
            return True
        if not waiting.isdisjoint(statement.words):
            return True
        return statement.changes and (
            statement.table in POINTING_TO_TASKS or not waiting.isdisjoint(POINTED_TO_BY_CHANGES)
        )

    def insert(self, statement: Statement, row: Mapping[str, object]) -> bool:
        """False when what waits has to be written before."""
        batch = self._by_sql.get(statement.sql)
        if batch is None:
            assert statement.many is not None
            batch = Batch(statement.table, statement.sql, statement.many, statement.names)
        return self._add(batch, row, _key(row, statement.key))

    def update(
        self, update: Update, missing: AbathurError | None, row: Mapping[str, object]
    ) -> bool:
        """As `insert`; a row is changed once at most by what waits."""
        batch = self._by_sql.get(update.guarded)
        if batch is None:
            batch = Batch(
                update.statement.table,
                update.guarded,
                update.many,
                update.statement.names,
                is_guarded=missing is not None,
                is_update=True,
                expected=update.expected,
            )
        key = _key(row)
        assert key is not None, update.statement.table
        if not self._add(batch, row, key):
            return False
        if missing is not None:
            batch.missing.append(missing)
        return True

    def _add(self, batch: Batch, row: Mapping[str, object], key: Key | None) -> bool:
        keys = self._keys.get(batch.table, {})
        if len(batch.rows) == MOST_ROWS or (key is not None and key in keys):
            return False
        if batch.table not in OF_MANY_KINDS and next(iter(keys.values()), batch) is not batch:
            return False
        self._by_sql[batch.sql] = batch
        self._keys[batch.table] = keys
        keys[key] = batch
        batch.rows.append(row)
        return True

    def take(self) -> Sequence[Batch]:
        """All that waits, in an order in which it can be written."""
        taken = sorted(self._by_sql.values(), key=_place)
        self.clear()
        return taken

    def clear(self) -> None:
        self._by_sql.clear()
        self._keys.clear()


def _key(row: Mapping[str, object], named: Sequence[str] = ()) -> Key | None:
    """What tells the row from all others of its table; None when nothing does."""
    if named:
        return tuple([row[name] for name in named])
    if "id" in row:
        return (row["id"],)
    return (row["task_id"], row["number"]) if "number" in row else None


def _place(batch: Batch) -> int:
    table = batch.table
    return PARENTS_FIRST.index(table) if table in PARENTS_FIRST else len(PARENTS_FIRST)
