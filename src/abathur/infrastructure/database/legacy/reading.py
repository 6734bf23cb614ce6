"""Reads whatever rows a file holds, by plain SELECTs, whatever its tables look like."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from abathur.infrastructure.database.engines.sqlite import (
    Connection,
    CorruptError,
    StatementError,
)
from abathur.infrastructure.database.engines.sqlite_inspection import columns, quoted, user_tables
from abathur.infrastructure.database.recognise import OURS, is_older

Values: TypeAlias = list[tuple[Any, ...]]

DAMAGED: Final = ("*** in database main ***", "Freelist: ", "Page ", "Tree ", "wrong # of entries")
"""How lines of SQLite's check begin that tell of damaged pages."""
ENCODINGS: Final = {"UTF-8": "utf-8", "UTF-16le": "utf-16-le", "UTF-16be": "utf-16-be"}


@dataclass(frozen=True, slots=True)
class Row:
    """`key` tells it from the others of its table: the rowid, or the primary key as JSON."""

    table: str
    key: str
    values: Mapping[str, Any]

    def json(self) -> str:
        return json.dumps(
            {name: jsonable(value) for name, value in self.values.items()}, ensure_ascii=False
        )


@dataclass(frozen=True, slots=True)
class Table:
    name: str
    columns: tuple[str, ...]
    keys: tuple[str, ...]
    """Expressions."""


class Source:
    """The file, while a transaction is open on the connection."""

    def __init__(self, connection: Connection) -> None:
        """Raises `CorruptError` when pages of the file are damaged, and other `DriverError`s."""
        _refuse_damaged(connection)
        self._connection = connection
        encoding: Any = connection.pragma("encoding")
        self._encoding = ENCODINGS[encoding]
        self.unreadable: dict[str, str] = {}
        """Tables whose module is missing; their shadow tables are tables of their own."""
        self.tables = {table.name: table for table in self._tables()}

    def rows(self, table: str) -> Iterator[Row]:
        found = self.tables[table]
        width = len(found.keys)
        for values in self._connection.execute(_select(found)):
            plain = [self._value(*values[at : at + 2]) for at in range(0, len(values), 2)]
            columns = dict(zip(found.columns, plain[width:], strict=True))
            yield Row(table, _key_text(plain[:width]), columns)

    def schema(self) -> list[dict[str, Any]]:
        rows = self._connection.execute(
            "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name"
        )
        return [{"type": t, "name": n, "table": of, "sql": sql} for t, n, of, sql in rows]

    def _tables(self) -> Iterator[Table]:
        names: Values = self._connection.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table'"
            " AND (name NOT GLOB 'sqlite_*' OR name = 'sqlite_sequence') ORDER BY name"
        ).fetchall()
        for (name,) in names:
            try:
                yield self._described(name)
            except StatementError as error:
                self.unreadable[name] = str(error)

    def _described(self, name: str) -> Table:
        described: Values = self._connection.execute(
            "SELECT name, pk FROM pragma_table_xinfo(?) WHERE hidden <> 1", (name,)
        ).fetchall()
        columns = tuple(column for column, _ in described)
        primary = sorted((place, column) for column, place in described if place)
        # A column of that name hides the rowid.
        hidden = {"rowid", "_rowid_", "oid"} - {column.lower() for column in columns}
        for key in sorted(hidden):
            try:
                table = Table(name, columns, (key,))
                self._connection.execute(f"{_select(table)} LIMIT 1").fetchall()
            except StatementError:
                break
            return table
        table = Table(name, columns, tuple(quoted(column) for _, column in primary))
        self._connection.execute(f"{_select(table)} LIMIT 1").fetchall()
        return table

    def _value(self, kind: str, value: Any) -> Any:
        if kind != "text":
            return value
        try:
            return value.decode(self._encoding)
        except UnicodeDecodeError:
            # Then it is kept as the bytes that it is.
            return value


def _refuse_damaged(connection: Connection) -> None:
    """Of a damaged tree a SELECT may quietly give less than all rows."""
    for (line,) in connection.execute("PRAGMA quick_check"):
        # The other lines tell of values that break the rules of a table; they are taken over.
        if line.startswith(DAMAGED):
            raise CorruptError(line.removeprefix(DAMAGED[0]).strip().partition("\n")[0])


def holds_older(connection: Connection) -> bool:
    """Whether the tables are those of an older version. Raises `DriverError`."""
    tables = _look(connection)
    if tables.get("schema_migrations", frozenset()) >= OURS:
        done = connection.execute("SELECT 1 FROM schema_migrations LIMIT 1").fetchall()
        if done:
            return False
    return is_older(tables)


def _look(connection: Connection) -> dict[str, frozenset[str]]:
    """The tables with their columns; none for one that can't be read. Raises `DriverError`."""
    return {name: frozenset(columns(connection, name)) for name in user_tables(connection)}


def _select(table: Table) -> str:
    # Text goes through a blob: one that isn't valid would else end the whole reading.
    wanted = (*table.keys, *map(quoted, table.columns))
    parts = [
        f"typeof({c}), CASE typeof({c}) WHEN 'text' THEN CAST({c} AS BLOB) ELSE {c} END"
        for c in wanted
    ]
    return f"SELECT {', '.join(parts)} FROM {quoted(table.name)}"


def _key_text(key: list[Any]) -> str:
    if len(key) == 1 and isinstance(key[0], int):
        return str(key[0])
    return json.dumps([jsonable(value) for value in key], ensure_ascii=False)


def jsonable(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"$base64": base64.b64encode(value).decode("ascii")}
    if isinstance(value, float) and not math.isfinite(value):
        return {"$real": repr(value)}
    return value
