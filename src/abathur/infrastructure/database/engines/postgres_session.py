"""Named statements in one transaction of one connection, which is in pipeline mode all along.

What nobody waits for is only sent: it travels with the next statement whose result is needed, or
with the commit. What goes wrong with it is raised there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from abathur.domain.errors import AbathurError, DatabaseError, InvalidInputError
from abathur.infrastructure.database.codecs import to_columns
from abathur.infrastructure.database.engines.base import Row
from abathur.infrastructure.database.engines.postgres import (
    BadValue,
    Connection,
    Cursor,
    DriverError,
    GuardRefused,
    Pipeline,
    milliseconds,
    send_all,
    translate,
)
from abathur.infrastructure.database.engines.postgres_statements import ALONG, Statement, Statements

SET_LOCK_TIMEOUT: Final = b"SELECT set_config('lock_timeout', $1, true)"
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class PostgresSession:
    """Meets `base.Session`. Used again for every transaction of its connection."""

    def __init__(
        self,
        connection: Connection,
        pipeline: Pipeline,
        statements: Statements,
        where: str,
        patience: float,
    ) -> None:
        self._connection = connection
        self._pipeline = pipeline
        self._statements = statements
        self._where = where
        self._patience = milliseconds(patience)
        self._last: list[tuple[Statement, list[Any]]] = []
        self._guards: list[tuple[Cursor, AbathurError]] = []
        """Changes that were sent, and what it means when they find no row."""
        self._is_open = False
        self.changes = 0
        """How often anything was changed; 0 while there is nothing to commit."""
        self.is_loud = False
        """Whether anything was changed that other processes may wait for."""
        self.failure: DriverError | None = None
        """What the driver said first; nothing can be done in the transaction after it."""
        self.problem: AbathurError | None = None
        """What the failure means."""

    def begin(self, sql: bytes) -> None:
        """Raises `DatabaseError`, as everything here does; `failure` tells more."""
        self._last.clear()
        self._guards.clear()
        self.failure = self.problem = None
        self.changes = 0
        self.is_loud = False
        self._is_open = True
        with self._translated():
            self._connection.execute(sql)

    def end(self) -> None:
        self._is_open = False

    def execute(self, name: str, /, **params: object) -> int:
        statement = self._statements[name]
        cursor = self._send(statement, params)
        self._wait()
        self._note(statement, cursor.rowcount)
        return cursor.rowcount

    def send(self, name: str, /, **params: object) -> None:
        if name in ALONG:
            return
        statement = self._statements[name]
        self._note(statement, 1)
        if statement.is_last:
            self._refuse_after_end()
            self._last.append((statement, to_columns(params, statement.names)))
        else:
            self._send(statement, params)

    def change_one(self, name: str, missing: AbathurError, /, **params: object) -> None:
        statement = self._statements[name]
        self._refuse_after_end()
        cursor = self.queue(statement.guarded, to_columns(params, statement.names))
        self._guards.append((cursor, missing))
        self._note(statement, 1)

    def execute_many(self, name: str, rows: Iterable[Mapping[str, object]], /) -> None:
        for row in rows:
            self.send(name, **row)

    def fetch(self, name: str, /, **params: object) -> list[Row]:
        statement = self._statements[name]
        if statement.needs_last:
            self.send_last()
        cursor = self._send(statement, params)
        self._wait()
        with self._translated():
            rows: list[Row] = cursor.fetchall()
        self._note(statement, len(rows))
        return rows

    def fetch_one(self, name: str, /, **params: object) -> Row | None:
        rows = self.fetch(name, **params)
        return rows[0] if rows else None

    def names(self, prefix: str) -> Sequence[str]:
        return sorted(name for name in self._statements if name.startswith(prefix))

    def send_last(self) -> None:
        """Send what was put off."""
        if self._last:
            # Who holds the trail is about to commit.
            self.queue(SET_LOCK_TIMEOUT, [self._patience])
            self.queue(self._statements.before_last)
            for statement, values in self._last:
                self.queue(statement.sql, values)
            self._last.clear()

    def queue(self, sql: bytes, values: Sequence[Any] = ()) -> Cursor:
        """Send without waiting. What went wrong earlier may be raised here."""
        with self._translated():
            cursor = self._queue(sql, values)
            send_all(self._connection)
            return cursor

    def _queue(self, sql: bytes, values: Sequence[Any]) -> Cursor:
        try:
            return self._connection.execute(sql, values, prepare=True)
        except BadValue:
            cleaned = without_nul(values)
            if cleaned == list(values):
                raise
            return self._connection.execute(sql, cleaned, prepare=True)

    def finish(self, sql: bytes) -> Cursor:
        """Send the end of the transaction and wait for it."""
        with self._translated():
            cursor = self._connection.execute(sql)
            self._pipeline.sync()
        return cursor

    def _send(self, statement: Statement, params: Mapping[str, object]) -> Cursor:
        self._refuse_after_end()
        return self.queue(statement.sql, to_columns(params, statement.names))

    def _refuse_after_end(self) -> None:
        if not self._is_open:
            raise DatabaseError(f"`{self._where}`: a use case's stores can't be used after its end")
        if self.failure is not None:
            raise self.problem or translate(self.failure, self._where, self._connection)

    def _note(self, statement: Statement, rows: int) -> None:
        if rows and statement.changes:
            self.changes += 1
            self.is_loud = self.is_loud or not statement.is_quiet

    def _wait(self) -> None:
        """Wait for all that was sent.

        Never by a mere flush: to a server that got no sync the transaction isn't idle, and it
        would wait for ever for a process that is frozen.
        """
        with self._translated():
            self._pipeline.sync()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except UnicodeEncodeError as error:
            raise InvalidInputError(
                "a text holds half a character (a lone surrogate); remove it"
            ) from error
        except DriverError as error:
            problem = self._meaning(error)
            if self.failure is None:
                self.failure, self.problem = error, problem
            raise problem from error

    def _meaning(self, error: DriverError) -> AbathurError:
        if isinstance(error, GuardRefused):
            for cursor, missing in self._guards:
                # The first one without a result is the one that failed.
                if cursor.pgresult is None:
                    return missing
        return translate(error, self._where, self._connection)


def without_nul(values: Sequence[Any]) -> list[Any]:
    """PostgreSQL stores no NUL character; what an agent said is kept without it."""
    return [
        value.replace("\0", REPLACEMENT) if isinstance(value, str) else value for value in values
    ]
