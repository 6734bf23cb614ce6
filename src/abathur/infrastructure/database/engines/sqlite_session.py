"""Named statements on one connection, inside the transaction that somebody else opened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from abathur.domain.errors import AbathurError, DatabaseError, InvalidInputError
from abathur.infrastructure.database.codecs import to_columns
from abathur.infrastructure.database.engines.base import Row
from abathur.infrastructure.database.engines.sqlite import (
    Connection,
    Cursor,
    DriverError,
    translate,
)
from abathur.infrastructure.database.queries import parameters

Values = tuple[Any, ...]


class SqliteSession:
    """Meets `base.Session`. Used again for every transaction of its connection."""

    __slots__ = ("_columns", "_connection", "_cursor", "_statements", "_where", "lost")

    def __init__(self, connection: Connection, statements: Mapping[str, str], where: str) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self._statements = statements
        self._where = where
        self._columns: dict[str, tuple[str, ...]] = {}
        self.lost: DatabaseError | None = None
        """Why the transaction is gone, when SQLite itself rolled it back."""

    def execute(self, name: str, /, **params: object) -> int:
        statement = self._statements[name]
        self._run(statement, to_columns(params, parameters(statement)))
        return self._connection.changes()

    def send(self, name: str, /, **params: object) -> None:
        statement = self._statements[name]
        self._run(statement, to_columns(params, parameters(statement)))

    def change_one(self, name: str, missing: AbathurError, /, **params: object) -> None:
        if self.execute(name, **params) == 0:
            raise missing

    def execute_many(self, name: str, rows: Iterable[Mapping[str, object]], /) -> None:
        statement = self._statements[name]
        names = parameters(statement)
        for row in rows:
            self._run(statement, to_columns(row, names))

    def fetch(self, name: str, /, **params: object) -> list[Row]:
        columns: tuple[str, ...] | None = self._columns.get(name)
        statement = self._statements[name]
        values = to_columns(params, parameters(statement))
        if columns is None:
            columns, rows = self._described(statement, values)
            self._columns[name] = columns
        else:
            rows = self._run(statement, values)
        if rows and len(rows[0]) != len(columns):
            raise self._schema_changed()
        return [dict(zip(columns, row, strict=True)) for row in rows]

    def fetch_one(self, name: str, /, **params: object) -> Row | None:
        rows = self.fetch(name, **params)
        return rows[0] if rows else None

    def names(self, prefix: str) -> Sequence[str]:
        return sorted(name for name in self._statements if name.startswith(prefix))

    def _run(self, statement: str, values: list[Any]) -> list[Values]:
        self._refuse_without_transaction()
        try:
            # To the end, else a RETURNING would leave its work half done.
            return self._cursor.execute(statement, values).fetchall()
        except (DriverError, UnicodeEncodeError, OverflowError) as error:
            raise self._failure(error) from error

    def _described(self, statement: str, values: list[Any]) -> tuple[tuple[str, ...], list[Values]]:
        """With the names of the columns, which the driver tells only while a statement runs."""
        columns: list[tuple[str, ...]] = []
        tracer = self._connection.exec_trace

        def look(cursor: Cursor, sql: str, bindings: Any) -> bool:
            columns.append(tuple(column[0] for column in cursor.get_description()))
            return tracer(cursor, sql, bindings) if tracer else True

        self._cursor.exec_trace = look
        try:
            rows = self._run(statement, values)
            return columns[0], rows
        finally:
            self._cursor.exec_trace = None

    def _refuse_without_transaction(self) -> None:
        # Without this, a use case that goes on after a full disk would write outside of any
        # transaction.
        if not self._connection.in_transaction:
            raise self.lost or DatabaseError(
                f"`{self._where}`: a use case's stores can't be used after its end"
            )

    def _failure(self, error: Exception) -> Exception:
        if isinstance(error, UnicodeEncodeError):
            return InvalidInputError("a text holds half a character (a lone surrogate); remove it")
        if isinstance(error, OverflowError):
            return InvalidInputError("a number needs more than 64 bits; use a smaller one")
        assert isinstance(error, DriverError)
        failure = translate(error, self._where, self._connection)
        if not self._connection.in_transaction:
            self.lost = failure
        return failure

    def _schema_changed(self) -> DatabaseError:
        self._columns.clear()
        return DatabaseError(
            f"another process changed the tables of `{self._where}` meanwhile; try again"
        )
