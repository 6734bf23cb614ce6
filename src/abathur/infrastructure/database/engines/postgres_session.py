"""Named statements in one transaction of one connection, which is in pipeline mode all along.

What nobody waits for is kept back and written together, many rows with a statement, before the
next statement whose result is needed, or before the commit. What goes wrong with it is raised
there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from abathur.domain.errors import AbathurError, DatabaseError, InvalidInputError
from abathur.infrastructure.database.codecs import to_columns
from abathur.infrastructure.database.engines.base import Columns, Row
from abathur.infrastructure.database.engines.foreseen import Foreseen
from abathur.infrastructure.database.engines.postgres import (
    BadValue,
    Connection,
    Cursor,
    DriverError,
    GuardRefused,
    Pipeline,
    send_all,
    translate,
)
from abathur.infrastructure.database.engines.postgres_batches import Batch, Batches, as_json
from abathur.infrastructure.database.engines.postgres_statements import Statement, Statements

TURN: Final = "audit_turn"
"""Taken before anything is written of what was put off, which is the trail."""
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class PostgresSession:
    """Meets `base.Session`. Used again for every transaction of its connection."""

    def __init__(
        self,
        connection: Connection,
        pipeline: Pipeline,
        statements: Statements,
        where: str,
    ) -> None:
        self._connection = connection
        self._pipeline = pipeline
        self._statements = statements
        self._where = where
        self._batches = Batches()
        self._foreseen = Foreseen()
        self._put_off: dict[tuple[Callable[[list[Row]], None], str], list[Row]] = {}
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
        self._batches.clear()
        self._foreseen.clear()
        self._put_off.clear()
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
        self._note(statement, cursor.rowcount, params)
        return cursor.rowcount

    def send(self, name: str, row: Mapping[str, object] | None = None, /, **params: object) -> None:
        params = params if row is None else dict(row)
        statement = self._statements[name]
        self._note(statement, 1, params)
        if statement.many is None:
            self._send(statement, params)
        else:
            self._collect(statement, params)

    def save(
        self,
        name: str,
        only: Columns | None,
        missing: AbathurError | None,
        row: Mapping[str, object],
        /,
        **more: object,
    ) -> None:
        params = {**row, **more}
        self._refuse_after_end()
        update = self._statements.change(name, only, missing is not None)
        if not self._batches.update(update, missing, params):
            self.write_batches()
            self._batches.update(update, missing, params)
        self._note(update.statement, 1, params)

    def execute_many(self, name: str, rows: Iterable[Mapping[str, object]], /) -> None:
        statement = self._statements[name]
        for row in rows:
            self._note(statement, 1, row)
            if statement.many is None:
                self._send(statement, row)
            else:
                self._collect(statement, row)

    def fetch(self, name: str, /, **params: object) -> list[Row]:
        statement = self._statements[name]
        if self._foreseen.is_in_use and self._finds_nothing(name, params):
            return []
        if statement.reads_trail:
            self._write_put_off()
        cursor = self._send(statement, params)
        self._wait()
        rows = self._rows(cursor)
        if statement.changes:
            for row in rows:
                # One without an id says why nothing was changed.
                self._note(statement, row.get("id", "") is not None, row)
        return rows

    def fetch_one(self, name: str, /, **params: object) -> Row | None:
        values = tuple(params.values())
        if self._foreseen.wants(name, values):
            self._look_ahead()
        found = self._foreseen.find(name, values)
        if found is not None:
            return found
        rows = self.fetch(name, **params)
        return rows[0] if rows else None

    def foresee(self, name: str, many: str, looks_in: str = "", /, **key: object) -> None:
        if looks_in:
            (task_id,) = key.values()
            self._foreseen.want_nothing(name, many, looks_in, task_id)
        else:
            self._foreseen.want(name, many, key)

    def _finds_nothing(self, name: str, params: Mapping[str, object]) -> bool:
        task_id = next(iter(params.values()), None)
        if not isinstance(task_id, str):
            return False
        if self._foreseen.wants_nothing(name, task_id):
            self._look_ahead()
        return self._foreseen.finds_nothing(name, task_id)

    def _look_ahead(self) -> None:
        """Read together what was foreseen: first what locks."""
        rows, nothing = self._foreseen.take_wanted()
        cursors = [
            self._send(self._statements[many], {"keys": list(keys.values())})
            for (_, many), keys in rows.items()
        ]
        asked = [
            self._send(self._statements[many], {"keys": list(ids)})
            for (_, many, _), ids in nothing.items()
        ]
        self._wait()
        for ((name, _), keys), cursor in zip(rows.items(), cursors, strict=True):
            columns = next(iter(keys.values())).keys()
            self._foreseen.learn(name, columns, self._rows(cursor))
        for ((name, _, table), ids), cursor in zip(nothing.items(), asked, strict=True):
            self._foreseen.learn_nothing(name, table, ids, self._rows(cursor))

    def put_off(self, write: Callable[[list[Row]], None], alone: str, row: Row, /) -> None:
        self._refuse_after_end()
        for value in row.values():
            if "\0" in value:
                row = dict(zip(row, without_nul(list(row.values())), strict=True))
                break
        self._put_off.setdefault((write, alone), []).append(row)
        self.changes += 1
        self.is_loud = True

    def write_all(self) -> None:
        """Send everything that waits; has to be called before each commit."""
        self.write_batches()
        self._write_put_off()
        self.write_batches()

    def _write_put_off(self) -> None:
        if self._put_off:
            put_off, self._put_off = self._put_off, {}
            # At the end, no use case may do anything more; what is done for them may.
            is_open, self._is_open = self._is_open, True
            try:
                for (write, alone), rows in put_off.items():
                    if self._are_apart(alone, rows):
                        self._write_apart(self._statements[alone], rows)
                    else:
                        write(rows)
            finally:
                self._is_open = is_open

    def _are_apart(self, alone: str, rows: Sequence[Row]) -> bool:
        key = self._statements[alone].key
        return len({tuple([row[name] for name in key]) for row in rows}) == len(rows)

    def _write_apart(self, statement: Statement, rows: Sequence[Row]) -> None:
        """By one statement, as others wait for the turn: they are as many as the use cases."""
        self.send(TURN)
        text = as_json(rows) if statement.many and len(rows) > 1 else None
        if text is not None:
            assert statement.many
            self.queue(statement.many, [text])
            return
        for row in rows:
            self._collect(statement, row)

    def names(self, prefix: str) -> Sequence[str]:
        return sorted(name for name in self._statements if name.startswith(prefix))

    def write_batches(self) -> None:
        """Send what is kept back."""
        for batch in self._batches.take():
            text = batch.json() if len(batch.rows) > 1 else None
            if text is not None:
                self._write_batch(batch, text)
                continue
            for number, values in enumerate(batch.one_by_one()):
                cursor = self.queue(batch.sql, values)
                if batch.is_guarded:
                    self._guards.append((cursor, batch.missing[number]))
        self._send_all()

    def _write_batch(self, batch: Batch, text: bytes) -> None:
        with self._translated():
            if batch.is_guarded:
                cursor = self._queue(batch.many, [text.decode(), len(batch.rows)])
                self._guards.append((cursor, batch.missing[0]))
            else:
                self._queue(batch.many, [text.decode()])

    def queue(self, sql: bytes, values: Sequence[Any] = ()) -> Cursor:
        """Send without waiting. What went wrong earlier may be raised here."""
        with self._translated():
            cursor = self._queue(sql, values)
        self._send_all()
        return cursor

    def _send_all(self) -> None:
        with self._translated():
            send_all(self._connection)

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
        self._batches.clear()
        with self._translated():
            cursor = self._connection.execute(sql)
            self._pipeline.sync()
        return cursor

    def _send(self, statement: Statement, params: Mapping[str, object]) -> Cursor:
        self._refuse_after_end()
        if self._batches.concern(statement):
            self.write_batches()
        return self.queue(statement.sql, to_columns(params, statement.names))

    def _collect(self, statement: Statement, params: Mapping[str, object]) -> None:
        self._refuse_after_end()
        if not self._batches.insert(statement, params):
            self.write_batches()
            self._batches.insert(statement, params)

    def _refuse_after_end(self) -> None:
        if not self._is_open:
            raise DatabaseError(f"`{self._where}`: a use case's stores can't be used after its end")
        if self.failure is not None:
            raise self.problem or translate(self.failure, self._where, self._connection)

    def _rows(self, cursor: Cursor) -> list[Row]:
        with self._translated():
            return cursor.fetchall()

    def _note(self, statement: Statement, rows: int, params: Mapping[str, object]) -> None:
        if rows and statement.changes:
            self.changes += 1
            self.is_loud = self.is_loud or not statement.is_quiet
            if self._foreseen.is_in_use:
                self._foreseen.forget(statement.table, params)

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
            if self.failure is None:
                self.failure, self.problem = error, self._meaning(error)
            # What comes after the first failure only tells that there was one.
            raise self.problem or self._meaning(error) from error

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
