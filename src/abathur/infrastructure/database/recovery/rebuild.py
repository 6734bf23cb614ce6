"""The new database: its tables, and rows that come in one by one."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, Final

from abathur.infrastructure.database.engines.sqlite import (
    Connection,
    DriverError,
    FullError,
)
from abathur.infrastructure.database.engines.sqlite_inspection import (
    WORDS,
    quoted,
    user_tables,
)
from abathur.infrastructure.database.recovery.layout import Row, insert_sql

UNKNOWN: Final = "2000-01-01T00:00:00.000000Z"


@dataclass
class Rebuild:
    """Takes rows until `fix_keys`. What doesn't fit goes, as JSON, to `leftovers`."""

    connection: Connection
    leftovers: IO[str]
    kept: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)

    def add(self, table: str, row: Row, *, is_certain: bool = True) -> None:
        """A row that isn't certain, from a page that nothing points to, gives way to any other."""
        try:
            self.connection.execute(insert_sql(table, row), tuple(row.values()))
            self.kept[table] += 1
        except FullError:
            # That is no fault of the row.
            raise
        except (DriverError, OverflowError) as error:
            if is_certain and not self._is_there(table, row):
                self.leave(table, row, str(error))

    def leave(self, table: str, row: Row, reason: str) -> None:
        told = {"table": table, "reason": reason, "row": row}
        self.leftovers.write(json.dumps(told, ensure_ascii=False, default=_plain) + "\n")
        self.lost[table] += 1

    def fix_keys(self) -> None:
        """Make every key point to a row: empty it, or leave the row out where it can't be empty."""
        keys = list(self._keys())
        # What is left out may have been pointed to.
        while sum(self._fix(*key) for key in keys):
            continue

    def _is_there(self, table: str, row: Row) -> bool:
        tests = " AND ".join(f"{quoted(name)} IS ?" for name in row)
        sql = f"SELECT 1 FROM {quoted(table)} WHERE {tests}"
        return bool(self.connection.execute(sql, tuple(row.values())).fetchall())

    def _keys(self) -> Iterator[tuple[str, str, Sequence[str], Sequence[str]]]:
        for table in user_tables(self.connection):
            keys: dict[int, tuple[str, list[str], list[str]]] = {}
            for number, _, parent, column, target, *_ in self.connection.execute(
                "SELECT * FROM pragma_foreign_key_list(?) ORDER BY id, seq", (table,)
            ):
                _, columns, targets = keys.setdefault(number, (parent, [], []))
                columns.append(column)
                targets.append(target or "id")
            for parent, columns, targets in keys.values():
                yield table, parent, columns, targets

    def _fix(self, table: str, parent: str, columns: Sequence[str], targets: Sequence[str]) -> bool:
        """Whether anything was wrong."""
        if parent not in user_tables(self.connection):
            return False
        pairs = zip(columns, targets, strict=True)
        points = " AND ".join(f"p.{quoted(to)} = c.{quoted(of)}" for of, to in pairs)
        filled = " AND ".join(f"c.{quoted(of)} IS NOT NULL" for of in columns)
        dangling = f"{filled} AND NOT EXISTS (SELECT 1 FROM {quoted(parent)} AS p WHERE {points})"
        cursor = self.connection.execute(f"SELECT * FROM {quoted(table)} AS c WHERE {dangling}")
        try:
            names = [column[0] for column in cursor.get_description()]
        except DriverError:
            return False
        rows = [dict(zip(names, row, strict=True)) for row in cursor]
        if not rows:
            return False
        if parent == "workers":
            self._add_workers({row[columns[0]] for row in rows}, rows)
        elif not self._emptied(table, columns, dangling, len(rows)):
            self._left_out(table, parent, dangling, rows)
        return True

    def _add_workers(self, ids: set[Any], rows: Sequence[dict[str, Any]]) -> None:
        """In place of those that are lost: all that others need to know is that they stopped."""
        times = [str(value) for row in rows for name, value in row.items() if name.endswith("_at")]
        at = max((time for time in times if time.startswith("20")), default=UNKNOWN)
        for one in ids:
            row: Row = {
                "id": one, "host": "unknown", "pid": 0, "pid_started_at": 0.0,
                "repository": "", "max_agents": 0, "started_at": at, "heartbeat_at": at,
                "lease_until": at, "stopped_at": at,
            }  # fmt: skip
            self.connection.execute(insert_sql("workers", row), tuple(row.values()))
            self.changed["workers"] += 1

    def _emptied(self, table: str, columns: Sequence[str], dangling: str, count: int) -> bool:
        sets = ", ".join(f"{quoted(name)} = NULL" for name in columns)
        try:
            self.connection.execute(f"UPDATE {quoted(table)} AS c SET {sets} WHERE {dangling}")
        except DriverError:
            return False
        self.changed[table] += count
        return True

    def _left_out(
        self, table: str, parent: str, dangling: str, rows: Sequence[dict[str, Any]]
    ) -> None:
        for row in rows:
            self.leave(table, row, f"it points to a row of {parent} that is lost")
        self.kept[table] -= len(rows)
        self.connection.execute(f"DELETE FROM {quoted(table)} AS c WHERE {dangling}")


def _plain(value: object) -> object:
    return {"hex": value.hex()} if isinstance(value, bytes) else str(value)


def take_triggers_off(connection: Connection) -> Sequence[str]:
    """What makes them again. They guard what is written by the day, not what is recovered."""
    found: list[Any] = connection.execute(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'"
    ).fetchall()
    for name, _ in found:
        connection.execute(f"DROP TRIGGER {quoted(name)}")
    return [sql for _, sql in found]


def make_words(connection: Connection) -> None:
    """Make the index of words, where the schema has one, of the passages that there are now."""
    found = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", (WORDS,)).fetchall()
    if found:
        connection.execute(f"INSERT INTO {WORDS} ({WORDS}) VALUES ('rebuild')")
