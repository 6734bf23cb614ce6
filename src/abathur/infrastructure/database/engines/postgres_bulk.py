"""A PostgreSQL database as a whole: all its rows out of it, or into an empty one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from abathur.domain.errors import DatabaseError, InvalidInputError
from abathur.infrastructure.database import queries
from abathur.infrastructure.database.engines.base import SchemaConnection
from abathur.infrastructure.database.engines.bulk import Table, Values
from abathur.infrastructure.database.engines.postgres import (
    BadValue,
    Connection,
    connect,
    translated,
)
from abathur.infrastructure.database.engines.postgres_address import shown
from abathur.infrastructure.database.engines.postgres_schema import LOCK, TABLES, PostgresSchema
from abathur.infrastructure.database.engines.postgres_statements import driver_sql

TIMEOUT: Final = 30.0
"""Seconds to wait for others."""
CURSOR: Final = "abathur_rows"
AT_ONCE: Final = 1000
"""Rows that are fetched together."""
OWN: Final = frozenset({"schema_migrations", "commit_tokens", "vector_index"})

PARENTS: Final = """
SELECT DISTINCT parent.relname
FROM pg_constraint AS c
JOIN pg_class AS child ON child.oid = c.conrelid
JOIN pg_class AS parent ON parent.oid = c.confrelid
WHERE c.contype = 'f' AND child.relname = ? AND child.relnamespace = current_schema()::regnamespace
"""
COUNTERS: Final = """
SELECT table_name, column_name,
  pg_get_serial_sequence(quote_ident(table_name), column_name) AS sequence
FROM information_schema.columns
WHERE table_schema = current_schema() AND is_identity = 'YES'
"""

Prepare = Callable[[SchemaConnection], object]


class PostgresRows:
    """Meets `bulk.Loading`, inside the transaction that its maker opened."""

    engine: Final = "postgres"
    own: Final = OWN

    def __init__(self, connection: Connection, where: str) -> None:
        self._connection = connection
        self._schema = PostgresSchema(connection, where)
        self.where = where

    def tables(self) -> list[Table]:
        return [self._table(name) for (name,) in self._schema.rows(TABLES)]

    def rows(self, table: Table) -> Iterator[Values]:
        columns = _listed(table.columns)
        self._schema.rows(
            f"DECLARE {CURSOR} NO SCROLL CURSOR FOR SELECT {columns} FROM {quoted(table.name)}"
        )
        while found := self._schema.rows(f"FETCH FORWARD {AT_ONCE} FROM {CURSOR}"):
            yield from found
        self._schema.rows(f"CLOSE {CURSOR}")

    def fetch(self, name: str, **params: object) -> list[Values]:
        sql = queries.load(self.engine)[name]
        values = [params[one] for one in queries.parameters(sql)]
        with translated(self.where, self._connection):
            found = self._connection.execute(driver_sql(sql), values).fetchall()
        return [tuple(row.values()) for row in found]

    def counters(self) -> Mapping[str, int]:
        found = {}
        for table, _, sequence in self._schema.rows(COUNTERS):
            ((number,),) = self._schema.rows(
                "SELECT pg_sequence_last_value(CAST(? AS regclass))", (sequence,)
            )
            if number is not None:
                found[table] = int(number)
        return found

    def insert(self, table: Table, rows: Iterable[Values]) -> None:
        sql = f"COPY {quoted(table.name)} ({_listed(table.columns)}) FROM STDIN"
        try:
            with (
                translated(self.where, self._connection),
                self._connection.cursor() as cursor,
                cursor.copy(sql.encode()) as copy,
            ):
                for row in rows:
                    copy.write_row(row)
        except DatabaseError as error:
            if isinstance(error.__cause__, BadValue):
                raise InvalidInputError(
                    f"`{self.where}` can't hold a value of {table.name} "
                    f"({_first_line(error.__cause__)}); change it at the source"
                ) from error
            raise

    def check_keys(self) -> None:
        """Done by the server at the end of each `insert`."""

    def count_on(self, counters: Mapping[str, int]) -> None:
        for table, column, sequence in self._schema.rows(COUNTERS):
            self._schema.rows(
                "SELECT setval(CAST(? AS regclass), found.last) FROM (SELECT greatest("
                f"max({quoted(column)}), CAST(? AS bigint)) AS last FROM {quoted(table)}) AS found "
                "WHERE found.last > 0",
                (sequence, counters.get(table, 0)),
            )

    def refuse_rows(self) -> None:
        for (name,) in self._schema.rows(TABLES):
            if name not in OWN and self._schema.rows(f"SELECT 1 FROM {quoted(name)} LIMIT 1"):
                raise InvalidInputError(
                    f"`{self.where}` has rows already, in {name}; name a new database"
                )

    def _table(self, name: str) -> Table:
        parents = {parent for (parent,) in self._schema.rows(PARENTS, (name,))}
        return Table(name, tuple(self._schema.columns(name)), frozenset(parents - {name}))


class PostgresBulk:
    """Meets `bulk.Bulk`. `prepare` brings the tables of a target up to date."""

    def __init__(self, url: str, prepare: Prepare = lambda _: None) -> None:
        self._url = url
        self._where = shown(url)
        self._prepare = prepare

    @contextmanager
    def reading(self) -> Iterator[PostgresRows]:
        with connected(self._url, self._where) as connection:
            ran(connection, self._where, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield PostgresRows(connection, self._where)

    @contextmanager
    def loading(self) -> Iterator[PostgresRows]:
        with connected(self._url, self._where) as connection:
            rows = PostgresRows(connection, self._where)
            rows.refuse_rows()
            self._prepare(PostgresSchema(connection, self._where))
            ran(connection, self._where, "BEGIN")
            # Two copies at once would both find no rows.
            ran(connection, self._where, f"SELECT pg_advisory_xact_lock({LOCK})")
            rows.refuse_rows()
            yield rows
            ran(connection, self._where, "COMMIT")


@contextmanager
def connected(url: str, where: str) -> Iterator[Connection]:
    """A connection that waits for as long as it takes; closing it undoes what wasn't committed."""
    connection = connect(url, where, wait=TIMEOUT)
    try:
        # While the other side is compared, this one waits.
        ran(connection, where, "SET idle_in_transaction_session_timeout = 0")
        yield connection
    finally:
        connection.close()


def ran(connection: Connection, where: str, sql: str) -> None:
    with translated(where, connection):
        connection.execute(sql.encode())


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _listed(columns: Sequence[str]) -> str:
    return ", ".join(quoted(column) for column in columns)


def _first_line(error: Any) -> str:
    return str(error).strip().splitlines()[0]
