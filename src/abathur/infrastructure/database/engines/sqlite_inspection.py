"""What an operator asks of a SQLite database: any SELECT, whether it is sound, how big it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from abathur.infrastructure.database.codecs import to_column
from abathur.infrastructure.database.engines.base import Row
from abathur.infrastructure.database.engines.sqlite import (
    VERSION,
    Connection,
    DriverError,
    NoMoreRows,
)


def query(connection: Connection, sql: str, params: Sequence[object]) -> list[Row]:
    cursor = connection.execute(sql, tuple(to_column(value) for value in params))
    try:
        columns = [column[0] for column in cursor.get_description()]
    except NoMoreRows:
        return []
    return [dict(zip(columns, row, strict=True)) for row in cursor]


def check(connection: Connection, statements: Mapping[str, str], full: bool) -> list[str]:
    """What is wrong, a line each."""
    try:
        problems = list(_file_problems(connection, full))
        # What a damaged file says about its rows means nothing.
        return problems or list(_row_problems(connection, statements))
    except DriverError as error:
        return [f"the file can't be read: {error}"]


def info(connection: Connection, path: Path | None) -> dict[str, Any]:
    tables = user_tables(connection)
    return {
        "path": str(path or ":memory:"),
        "size": _size(path),
        "wal_size": _size(path and path.with_name(f"{path.name}-wal")),
        "sqlite_version": VERSION,
        "schema_version": _schema_version(connection, tables),
        "journal_mode": connection.pragma("journal_mode"),
        "rows": {table: _count(connection, table) for table in tables},
    }


def user_tables(connection: Connection) -> list[str]:
    rows = connection.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB 'sqlite_*'"
        " ORDER BY name"
    )
    return [name for (name,) in rows]


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _file_problems(connection: Connection, full: bool) -> Iterator[str]:
    pragma = "integrity_check" if full else "quick_check"
    for (line,) in connection.execute(f"PRAGMA {pragma}"):
        if line != "ok":
            yield line


def _row_problems(connection: Connection, statements: Mapping[str, str]) -> Iterator[str]:
    for table, rowid, parent, _ in connection.execute("PRAGMA foreign_key_check"):
        yield f"row {rowid} of {table} points to a row of {parent} that doesn't exist"
    for name in sorted(statements):
        if name.startswith("check_"):
            for (what,) in connection.execute(statements[name]):
                yield what


def _schema_version(connection: Connection, tables: Sequence[str]) -> int:
    if "schema_migrations" not in tables:
        return 0
    version: Any = connection.execute("SELECT max(version) FROM schema_migrations").get
    return int(version or 0)


def _count(connection: Connection, table: str) -> int:
    count: Any = connection.execute(f"SELECT count(*) FROM {quoted(table)}").get
    return int(count)


def _size(path: Path | None) -> int:
    try:
        return path.stat().st_size if path else 0
    except OSError:
        return 0
