"""A SQLite file as a whole: all its rows out of it, or into a new one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from abathur.domain.errors import (
    DatabaseCorruptError,
    DatabaseError,
    IntegrityViolation,
    InvalidInputError,
    NotFoundError,
)
from abathur.infrastructure.database import queries
from abathur.infrastructure.database.engines.base import SchemaConnection
from abathur.infrastructure.database.engines.bulk import Table, Values
from abathur.infrastructure.database.engines.disk import publish
from abathur.infrastructure.database.engines.sqlite import (
    Connection,
    checkpoint_on_close,
    connect,
    translated,
)
from abathur.infrastructure.database.engines.sqlite_glance import SIDECARS, glance
from abathur.infrastructure.database.engines.sqlite_inspection import (
    VERSION_TABLE,
    columns,
    quoted,
    user_tables,
)
from abathur.infrastructure.database.engines.sqlite_lock import Alone, Turns, taken, turns
from abathur.infrastructure.database.engines.sqlite_schema import SqliteSchema

TIMEOUT: Final = 30.0
"""Seconds to wait for others."""

Prepare = Callable[[SchemaConnection], object]


PARENTS: Final = 'SELECT "table" FROM pragma_foreign_key_list(?)'


class SqliteRows:
    """Meets `bulk.Loading`, inside the transaction that its maker opened."""

    engine: Final = "sqlite"
    own: Final = frozenset({VERSION_TABLE})

    def __init__(self, connection: Connection, where: str) -> None:
        self._connection = connection
        self.where = where

    def tables(self) -> list[Table]:
        with translated(self.where, self._connection):
            return [self._table(name) for name in user_tables(self._connection)]

    def rows(self, table: Table) -> Iterator[Values]:
        sql = f"SELECT {_listed(table.columns)} FROM {quoted(table.name)}"
        try:
            with translated(self.where, self._connection):
                yield from self._connection.execute(sql)
        except UnicodeDecodeError as error:
            raise DatabaseCorruptError(
                f"`{self.where}` holds text in {table.name} that isn't UTF-8; mend it, or go back "
                "to a backup"
            ) from error

    def fetch(self, name: str, **params: object) -> list[Values]:
        with translated(self.where, self._connection):
            return self._connection.execute(queries.load(self.engine)[name], params).fetchall()

    def counters(self) -> Mapping[str, int]:
        if not self._asked("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'"):
            return {}
        return dict(self._asked("SELECT name, seq FROM sqlite_sequence"))

    def insert(self, table: Table, rows: Iterable[Values]) -> None:
        places = ", ".join("?" * len(table.columns))
        with translated(self.where, self._connection):
            self._connection.executemany(
                f"INSERT INTO {quoted(table.name)} ({_listed(table.columns)}) VALUES ({places})",
                rows,
            )

    def check_keys(self) -> None:
        broken = self.broken_keys()
        if broken:
            table, row, parent, _ = broken[0]
            rule = f"row {row} of {table} points to a row of {parent} that doesn't exist"
            raise IntegrityViolation(
                f"`{self.where}` refused the rows: {rule}; `abathur db check` on the source "
                "tells more",
                rule,
            )

    def broken_keys(self) -> list[tuple[Any, ...]]:
        """Table, row, table of the parent and number of the key, of rows that point to nothing."""
        return self._asked("PRAGMA foreign_key_check")

    def count_on(self, counters: Mapping[str, int]) -> None:
        for name, number in counters.items():
            # Inserted rows have raised it already; rows deleted at the source haven't.
            self._asked("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", number, name)
            self._asked(
                "INSERT INTO sqlite_sequence (name, seq) SELECT ?1, ?2"
                " WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = ?1)",
                name,
                number,
            )

    def refuse_rows(self) -> None:
        for name in user_tables(self._connection):
            if name not in self.own and self._asked(f"SELECT 1 FROM {quoted(name)} LIMIT 1"):
                raise InvalidInputError(
                    f"`{self.where}` has rows already, in {name}; name a new file"
                )

    def _table(self, name: str) -> Table:
        found = tuple(columns(self._connection, name))
        # Without columns it is a virtual table of an older version, whose module is gone.
        parents = self._asked(PARENTS, name) if found else []
        return Table(name, found, frozenset(parent for (parent,) in parents if parent != name))

    def _asked(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with translated(self.where, self._connection):
            return self._connection.execute(sql, values).fetchall()


class SqliteBulk:
    """Meets `bulk.Bulk`. `prepare` brings the tables of a new file up to date."""

    def __init__(self, path: Path, prepare: Prepare) -> None:
        self._path = path
        self._where = str(path)
        self._prepare = prepare

    @contextmanager
    def reading(self) -> Iterator[SqliteRows]:
        if not self._path.is_file():
            raise NotFoundError(f"there is no database {self._path}; name another one")
        with _closing(connect(self._where, busy_timeout=TIMEOUT, read_only=True)) as connection:
            with translated(self._where, connection):
                connection.execute("BEGIN")
            yield SqliteRows(connection, self._where)

    @contextmanager
    def loading(self) -> Iterator[SqliteRows]:
        if not self._path.parent.is_dir():
            raise InvalidInputError(f"the folder {self._path.parent} doesn't exist; make it first")
        if self._path.exists() or self._path.is_symlink():
            with self._into_empty() as rows:
                yield rows
        else:
            with self._into_new() as rows:
                yield rows

    @contextmanager
    def _into_empty(self) -> Iterator[SqliteRows]:
        # Before anything is written, also into a file of somebody else's.
        glance(self._path, lambda found: SqliteRows(found, self._where).refuse_rows(), TIMEOUT)
        turn = turns(self._path)
        try:
            with _closing(connect(self._where, busy_timeout=TIMEOUT)) as connection:
                schema = self._schema(connection, self._path, turn)
                self._prepare(schema)
                schema.use_log()
                with taken(turn, self._where, TIMEOUT):
                    with self._transaction(connection) as rows:
                        rows.refuse_rows()
                        yield rows
                    checkpoint_on_close(connection)
                    connection.close()
        finally:
            turn.close()

    @contextmanager
    def _into_new(self) -> Iterator[SqliteRows]:
        partial = self._path.with_name(f".{self._path.name}.{os.getpid()}.partial")
        try:
            _remove(partial)
            with _closing(connect(str(partial), busy_timeout=TIMEOUT)) as connection:
                with translated(self._where, connection):
                    # Nobody sees the file before it is complete and synced.
                    connection.execute("PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY")
                self._prepare(self._schema(connection, None, Alone()))
                with self._transaction(connection) as rows:
                    yield rows
                with translated(self._where, connection):
                    connection.execute("PRAGMA journal_mode = WAL")
                    checkpoint_on_close(connection)
            publish(partial, self._path)
        except OSError as error:
            raise DatabaseError(f"can't write `{self._path}`: {error.strerror}") from error
        finally:
            _remove(partial)

    @contextmanager
    def _transaction(self, connection: Connection) -> Iterator[SqliteRows]:
        with translated(self._where, connection):
            connection.execute("PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE")
        try:
            yield SqliteRows(connection, self._where)
            with translated(self._where, connection):
                connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")

    def _schema(self, connection: Connection, path: Path | None, turn: Turns) -> SqliteSchema:
        return SqliteSchema(connection, path, self._where, turn, TIMEOUT)


@contextmanager
def _closing(connection: Connection) -> Iterator[Connection]:
    try:
        yield connection
    finally:
        connection.close()


def _listed(columns: Iterable[str]) -> str:
    return ", ".join(quoted(column) for column in columns)


def _remove(partial: Path) -> None:
    for suffix in ("", *SIDECARS):
        with suppress(FileNotFoundError):
            partial.with_name(partial.name + suffix).unlink()
