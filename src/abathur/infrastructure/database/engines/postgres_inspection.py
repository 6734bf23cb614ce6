"""What an operator asks of a PostgreSQL database: any SELECT, is it sound, how big is it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from abathur.domain.problems import Problem
from abathur.infrastructure.database.codecs import to_column
from abathur.infrastructure.database.engines.base import Row
from abathur.infrastructure.database.engines.postgres import Connection
from abathur.infrastructure.database.engines.postgres_schema import PostgresSchema, positional

SIZES: Final = b"""
SELECT pg_database_size(current_database()) AS size,
  current_setting('server_version') AS server_version
"""
NOT_DURABLE: Final = b"""
SELECT name FROM pg_settings
WHERE name IN ('fsync', 'full_page_writes') AND setting = 'off' ORDER BY name
"""
INVALID: Final = b"""
SELECT indexrelid::regclass::text AS name FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indrelid
WHERE NOT i.indisvalid AND c.relnamespace = current_schema()::regnamespace ORDER BY 1
"""
CHECKSUMS: Final = b"""
SELECT checksum_failures AS failures FROM pg_stat_database
WHERE datname = current_database() AND checksum_failures > 0
"""


def query(connection: Connection, sql: str, params: Sequence[object]) -> list[Row]:
    values = [to_column(value) for value in params]
    with connection.transaction():
        connection.execute(b"SET TRANSACTION READ ONLY")
        cursor = connection.execute(positional(sql, params), values or None)
        return cursor.fetchall() if cursor.description else []


def check(connection: Connection) -> list[Problem]:
    """What the server says about how it keeps the rows."""
    return list(_problems(connection))


def vacuum(connection: Connection, where: str) -> None:
    """Write the tables afresh; each is locked meanwhile."""
    for table in PostgresSchema(connection, where).tables():
        connection.execute(f"VACUUM (FULL, ANALYZE) {_quoted(table)}".encode())


def info(connection: Connection, where: str) -> dict[str, Any]:
    schema = PostgresSchema(connection, where)
    tables = schema.tables()
    ((version,),) = schema.rows("SELECT coalesce(max(version), 0) FROM schema_migrations")
    found = connection.execute(SIZES).fetchone() or {}
    return {
        "path": where,
        "size": found["size"],
        "wal_size": None,
        "sqlite_version": None,
        "server_version": found["server_version"],
        "schema_version": version,
        "journal_mode": None,
        "rows": {table: _count(schema, table) for table in tables},
    }


def _problems(connection: Connection) -> Iterator[Problem]:
    for row in connection.execute(NOT_DURABLE):
        yield Problem(
            code="not_durable",
            text=f"the server runs with {row['name']} = off: a crash of its machine may lose or "
            "damage what was acknowledged",
            table="pg_settings",
            key=row["name"],
        )
    for row in connection.execute(INVALID):
        yield Problem(
            code="index_invalid",
            text=f"index {row['name']} is invalid; rebuild it with REINDEX",
            table="pg_index",
            key=row["name"],
        )
    for row in connection.execute(CHECKSUMS):
        text = f"the server found {row['failures']} damaged pages; go back to a backup"
        yield Problem(code="pages_damaged", text=text)


def _count(schema: PostgresSchema, table: str) -> int:
    ((count,),) = schema.rows(f"SELECT count(*) FROM {_quoted(table)}")
    return int(count)


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'
