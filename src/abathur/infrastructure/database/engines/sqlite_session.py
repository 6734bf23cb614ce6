"""Named statements on one connection, inside the transaction that somebody else opened."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from abathur.domain.errors import AbathurError, DatabaseError, InvalidInputError
from abathur.infrastructure.database.engines.base import Columns, Row
from abathur.infrastructure.database.engines.sqlite import (
    Connection,
    Cursor,
    DriverError,
    translate,
)
from abathur.infrastructure.database.engines.sqlite_binding import Bound, stored
from abathur.infrastructure.database.queries import narrowed, reads_trail

Values = tuple[Any, ...]

PUT_OFF: Final = 1000
"""Rows that are kept back at most."""


class SqliteSession:
    """Meets `base.Session`. Used again for every transaction of its connection."""

    __slots__ = (
        "_bound",
        "_columns",
        "_connection",
        "_cursor",
        "_put_off",
        "_statements",
        "_told",
        "_where",
        "lost",
    )

    def __init__(self, connection: Connection, statements: Mapping[str, str], where: str) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self._cursor.convert_binding = stored
        self._statements = statements
        self._where = where
        self._bound = Bound()
        self._columns: dict[str, tuple[str, ...]] = {}
        self._put_off: dict[Callable[[list[Row]], None], list[Row]] = {}
        self._told = 0
        self.lost: DatabaseError | None = None
        """Why the transaction is gone, when SQLite itself rolled it back."""

    def begin(self) -> None:
        """Forget the transaction before, and what was put off in it."""
        self.lost = None
        self.forget()

    @property
    def changes(self) -> int:
        """Goes up with everything that is changed or put off."""
        return self._connection.total_changes() + self._told

    def execute(self, name: str, /, **params: object) -> int:
        statement = self._statements[name]
        self._run(statement, self._bound[statement](params))
        return self._connection.changes()

    def send(self, name: str, row: Mapping[str, object] | None = None, /, **params: object) -> None:
        statement = self._statements[name]
        self._run(statement, self._bound[statement](params if row is None else row))

    def save(
        self,
        name: str,
        only: Columns | None,
        missing: AbathurError | None,
        row: Mapping[str, object],
        /,
        **params: object,
    ) -> None:
        statement = self._statements[name]
        if only is not None:
            statement = narrowed(statement, only)
        self._run(statement, self._bound[statement]({**row, **params} if params else row))
        if missing is not None and self._connection.changes() == 0:
            raise missing

    def put_off(self, write: Callable[[list[Row]], None], alone: str, row: Row, /) -> None:
        self._refuse_without_transaction()
        try:
            "".join(row.values()).encode()
        except UnicodeEncodeError as error:
            raise self._failure(error) from error
        rows = self._put_off.setdefault(write, [])
        rows.append(row)
        self._told += 1
        if len(rows) == PUT_OFF:
            self.write_put_off()

    def write_put_off(self) -> None:
        """Has to be called before each commit."""
        put_off = self._put_off
        self.forget()
        for write, rows in put_off.items():
            write(rows)

    def forget(self) -> None:
        """What was put off is undone."""
        self._put_off = {}

    def execute_many(self, name: str, rows: Iterable[Mapping[str, object]], /) -> None:
        statement = self._statements[name]
        pick = self._bound[statement]
        self._refuse_without_transaction()
        try:
            self._cursor.executemany(statement, list(map(pick, rows)))
        except (DriverError, UnicodeEncodeError, OverflowError) as error:
            raise self._failure(error) from error

    def fetch(self, name: str, /, **params: object) -> list[Row]:
        columns: tuple[str, ...] | None = self._columns.get(name)
        statement = self._statements[name]
        if self._put_off and reads_trail(statement):
            self.write_put_off()
        values = self._bound[statement](params)
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

    def foresee(self, name: str, many: str, looks_in: str = "", /, **key: object) -> None:
        """Asking for each row by itself is just as cheap."""

    def names(self, prefix: str) -> Sequence[str]:
        return sorted(name for name in self._statements if name.startswith(prefix))

    def _run(self, statement: str, values: Values) -> list[Values]:
        if not self._connection.in_transaction:
            self._refuse_without_transaction()
        try:
            # To the end, else a RETURNING would leave its work half done.
            return self._cursor.execute(statement, values).fetchall()
        except (DriverError, UnicodeEncodeError, OverflowError) as error:
            raise self._failure(error) from error

    def _described(self, statement: str, values: Values) -> tuple[tuple[str, ...], list[Values]]:
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
            # None would keep the connection's own tracer from hearing of this cursor.
            self._cursor.exec_trace = tracer

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
