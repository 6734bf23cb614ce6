"""What an operator asks of a SQLite database: any SELECT, whether it is sound, how big it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from abathur.domain.errors import DatabaseError
from abathur.domain.problems import Problem
from abathur.infrastructure.database.codecs import to_column
from abathur.infrastructure.database.engines.base import Row
from abathur.infrastructure.database.engines.sqlite import (
    VERSION,
    Connection,
    DriverError,
    NoMoreRows,
    StatementError,
    missing_name,
)

CHECKED_KEYS: Final = frozenset(
    {
        ("tasks", "tasks"),
        ("tasks", "sessions"),
        ("tasks", "workers"),
        ("task_dependencies", "tasks"),
        ("attempts", "tasks"),
        ("attempts", "workers"),
        ("run_events", "attempts"),
        ("landings", "attempts"),
        ("landings", "workers"),
        ("agents", "tasks"),
        ("agents", "sessions"),
        ("checkpoints", "tasks"),
        ("checkpoints", "sessions"),
        ("schedules", "tasks"),
        ("reviews", "tasks"),
        ("loops", "tasks"),
        ("iterations", "loops"),
        ("late_reports", "attempts"),
        ("task_paths", "tasks"),
        ("path_overlaps", "tasks"),
        ("gate_runs", "landings"),
        ("memory_uses", "memories"),
        ("session_events", "sessions"),
        ("passages", "memories"),
        ("passages", "document_index"),
        ("vectors", "passages"),
    }
)
"""(table, the table that it points to) of which a statement `check_…` names the rows."""
VERSION_TABLE: Final = "schema_migrations"
WORDS: Final = "passage_words"
"""The index of words, a virtual table; the names of the tables that it is made of begin so too."""


def query(connection: Connection, sql: str, params: Sequence[object]) -> list[Row]:
    try:
        return _rows(connection, sql, params)
    except StatementError as error:
        if VERSION_TABLE not in user_tables(connection):
            # Then it is the database that is wrong, not the query.
            raise
        name = missing_name(error)
        reason = f"there is no `{name}`" if name else error
        raise DatabaseError(
            f"the query can't be run ({reason}); change it, `abathur db info` lists the tables"
        ) from error


def _rows(connection: Connection, sql: str, params: Sequence[object]) -> list[Row]:
    cursor = connection.execute(sql, tuple(to_column(value) for value in params))
    try:
        columns = [column[0] for column in cursor.get_description()]
    except NoMoreRows:
        return []
    return [dict(zip(columns, row, strict=True)) for row in cursor]


def check(connection: Connection, full: bool) -> list[Problem]:
    """Damaged pages, and keys that point to nothing."""
    _look_at_words_afresh(connection)
    try:
        problems = list(_file_problems(connection, full))
        return problems or list(_key_problems(connection))
    except DriverError as error:
        return [Problem(code="file_unreadable", text=f"the file can't be read: {error}")]


def _look_at_words_afresh(connection: Connection) -> None:
    """Else an index of words that another connection has changed is called damaged.

    FTS5 keeps its structure from the last use; a search notices the change, SQLite's check doesn't.
    """
    # What is really damaged is found by the check.
    with suppress(DriverError):
        connection.execute(f"SELECT rowid FROM {WORDS} WHERE {WORDS} MATCH 'a' LIMIT 1").fetchall()


def info(connection: Connection, path: Path | None) -> dict[str, Any]:
    tables = user_tables(connection)
    return {
        "path": str(path or ":memory:"),
        "size": _size(path),
        "wal_size": _size(path and path.with_name(f"{path.name}-wal")),
        "sqlite_version": VERSION,
        "server_version": None,
        "schema_version": _schema_version(connection, tables),
        "journal_mode": connection.pragma("journal_mode"),
        "rows": {table: _count(connection, table) for table in tables},
    }


def user_tables(connection: Connection) -> list[str]:
    """Tables with rows of their own; the index of words is made of those of `passages`."""
    rows = connection.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB 'sqlite_*'"
        f" AND name NOT GLOB '{WORDS}*' ORDER BY name"
    )
    return [name for (name,) in rows]


def columns(connection: Connection, table: str) -> list[str]:
    """Their names; none when there is no such table, or when its module isn't there."""
    try:
        rows: Any = connection.execute("SELECT name FROM pragma_table_info(?)", (table,)).fetchall()
    except StatementError:
        return []
    return [name for (name,) in rows]


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _file_problems(connection: Connection, full: bool) -> Iterator[Problem]:
    pragma = "integrity_check" if full else "quick_check"
    for (found,) in connection.execute(f"PRAGMA {pragma}"):
        # Damaged trees come in one answer, below the name of the database.
        for line in str(found).splitlines():
            if line != "ok" and not line.startswith("***"):
                yield Problem(code="file_damaged", text=line)


def _key_problems(connection: Connection) -> Iterator[Problem]:
    for table, rowid, parent, _ in connection.execute("PRAGMA foreign_key_check"):
        # A table without row ids names no row; the stores' own checks do.
        if (table, parent) not in CHECKED_KEYS:
            row = "a row" if rowid is None else f"row {rowid}"
            text = f"{row} of {table} points to a row of {parent} that doesn't exist"
            key = None if rowid is None else str(rowid)
            yield Problem(code="key_without_row", text=text, table=table, key=key)


def _schema_version(connection: Connection, tables: Sequence[str]) -> int:
    if VERSION_TABLE not in tables:
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
