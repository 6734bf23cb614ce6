"""A connection with its stores, and how a use case is done in one transaction of it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import Any, Final, Generic, TypeVar
from uuid import uuid4

from abathur.domain.errors import AbathurError, DatabaseError, DatabaseUnreachableError
from abathur.infrastructure.database.engines.base import Session
from abathur.infrastructure.database.engines.jobs import Job
from abathur.infrastructure.database.engines.postgres import (
    RESOLVED_BY_RUNNING_AGAIN,
    Connection,
    DriverError,
    is_lost,
    lost,
    translate,
)
from abathur.infrastructure.database.engines.postgres_server import Server
from abathur.infrastructure.database.engines.postgres_session import PostgresSession
from abathur.infrastructure.database.engines.postgres_statements import Statements

C = TypeVar("C")

CHANNEL: Final = "abathur"
BEGIN: Final = b"BEGIN"
BE_PATIENT: Final = b"SELECT set_config('lock_timeout', current_setting('abathur.patience'), true)"
BEGIN_READ: Final = b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
COMMIT: Final = b"COMMIT"
ROLLBACK: Final = b"ROLLBACK"
TOKEN: Final = b"""
WITH old AS (DELETE FROM commit_tokens WHERE token = $2)
INSERT INTO commit_tokens (token) VALUES ($1)
"""
"""Takes the place of the one before it."""
TOKEN_AND_WORD: Final = TOKEN + f"RETURNING pg_notify('{CHANNEL}', '')".encode()
"""The server tells of it when the transaction is committed."""
WRITING: Final = b"""
SET lock_timeout = '200ms';
SET plan_cache_mode = force_generic_plan;
SET enable_seqscan = off;
SET enable_bitmapscan = off
"""
"""Those who share a transaction don't wait long for a lock: its other jobs hold theirs meanwhile.

A statement is planned once for a connection: planning one that finds its rows by their keys takes
longer than doing it. What was planned when a table was small goes on with its plan when it is
large, so no table is read as a whole, and what an index has in order isn't sorted.
"""


def prepare_for_writing(connection: Connection) -> None:
    connection.execute(WRITING)


class Apart(Exception):
    """The transaction of several jobs was undone."""

    def __init__(self, culprit: Job[Any, Any] | None) -> None:
        super().__init__("the transaction of several jobs was undone")
        self.culprit = culprit
        """Whose doing it probably was; the others may succeed without it."""


class Repeat(Exception):
    """The transaction was undone because of another one, and may succeed when it is repeated."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class Lost(Exception):
    """The connection is gone, and with it the transaction, unless its commit had been sent."""

    def __init__(self, error: DatabaseUnreachableError, token: str | None) -> None:
        super().__init__(str(error))
        self.error = error
        self.token = token
        """Of the transaction whose commit had been sent; None when nothing was committed."""


class Link(Generic[C]):
    """Used by one thread at a time."""

    def __init__(
        self,
        connection: Connection,
        where: str,
        statements: Mapping[str, str],
        open_stores: Callable[[Session], C],
        *,
        writing: bool,
    ) -> None:
        self._connection = connection
        self._where = where
        self._stack = ExitStack()
        self._pipeline = self._stack.enter_context(connection.pipeline())
        table = Statements(statements, writing=writing)
        self._session = PostgresSession(connection, self._pipeline, table, where)
        self._stores = open_stores(self._session)
        self._name = uuid4().hex
        self._numbers = itertools.count(1)
        self._token: str | None = None
        self.pid: int = connection.info.backend_pid

    def measure(self, server: Server) -> None:
        """Have the server's time noted, outside of any transaction."""
        server.measure(self._connection)
        with suppress(DriverError):
            self._pipeline.sync()

    def write(self, job: Job[C, Any]) -> bool:
        """Do the job and commit; whether it changed anything that others may wait for.

        Its own errors stay in the job. Raises `Repeat` and `Lost`, after which the job may be
        done again, but for a `Lost` with a token: see there.
        """
        self._run(job, BEGIN, BE_PATIENT)
        if job.error is not None:
            self._roll_back()
            return False
        try:
            self._commit()
        except AbathurError as error:
            job.error = error
            return False
        return self._session.is_loud

    def write_together(self, jobs: Sequence[Job[C, Any]], done: Callable[[], None]) -> bool:
        """Do the jobs in one transaction and commit; as `write`, and waits for locks only shortly.

        Calls `done` when the jobs have run and all that they lock is locked, so that others may run
        theirs while these are committed. A job that raises before it changes anything spoils
        nothing. Raises `Apart`, with nothing done, when one raises later, or when the server
        refuses anything; and `Lost`.
        """
        self._run_together(jobs)
        try:
            self._commit(done)
        except (AbathurError, Repeat) as error:
            raise Apart(None) from error
        return self._session.is_loud

    def _run_together(self, jobs: Sequence[Job[C, Any]]) -> None:
        session = self._session
        culprit = None
        with suppress(AbathurError):
            session.begin(BEGIN)
            culprit = self._first_to_spoil(jobs)
        session.end()
        if session.failure is not None and is_lost(self._connection, session.failure):
            raise Lost(lost(self._where, session.failure), None) from session.failure
        if session.failure is not None or culprit is not None:
            self._roll_back()
            raise Apart(culprit) from session.failure

    def _first_to_spoil(self, jobs: Sequence[Job[C, Any]]) -> Job[C, Any] | None:
        session = self._session
        for job in jobs:
            job.foresee(self._stores)
        for job in jobs:
            before = session.changes
            job.run(self._stores)
            if session.failure is not None or (job.error and session.changes != before):
                return job
        return None

    def read(self, job: Job[C, Any]) -> None:
        """Do the job on a snapshot. Raises `Repeat` and `Lost`, as `write`."""
        self._run(job, BEGIN_READ)
        if self._session.failure is not None:
            self._roll_back()
            return
        try:
            # What a query has no right to write is refused.
            self._session.write_all()
        except AbathurError as error:
            job.error = error
        # Nothing was changed; only a rollback would make the driver forget its statements.
        failure = self._finish(COMMIT)
        if failure is not None and not isinstance(failure, DatabaseUnreachableError):
            job.error = failure

    def close(self) -> None:
        with suppress(DriverError):
            self._stack.close()
        self._connection.close()

    @property
    def is_usable(self) -> bool:
        return not self._connection.closed

    def _run(self, job: Job[C, Any], begin: bytes, *first: bytes) -> None:
        try:
            self._session.begin(begin)
            for sql in first:
                self._session.queue(sql)
            job.foresee(self._stores)
            job.run(self._stores)
        except DatabaseError as error:
            job.error = error
        self._session.end()
        failure = self._session.failure
        if failure is not None:
            self._refuse_passing(failure, None)
            # A use case that swallowed the error has gone on without its statement.
            job.error = job.error or self._session.problem

    def _commit(self, done: Callable[[], None] = lambda: None) -> None:
        """Raises what keeps the transaction from being, after undoing it."""
        session = self._session
        token = None
        try:
            if session.changes:
                token = self._send_token()
                session.write_batches()
                done()
                session.write_all()
            if session.finish(COMMIT).statusmessage != "COMMIT":
                raise DatabaseError(f"`{self._where}` undid the transaction; try again")
        except AbathurError:
            if session.failure is not None:
                self._refuse_passing(session.failure, token)
            self._roll_back()
            raise
        self._token = token or self._token

    def _send_token(self) -> str:
        """What tells, when the answer to the commit is lost, whether it took place."""
        token = f"{self._name}-{next(self._numbers)}"
        sql = TOKEN_AND_WORD if self._session.is_loud else TOKEN
        self._session.queue(sql, [token, self._token])
        return token

    def _refuse_passing(self, failure: DriverError, token: str | None) -> None:
        """Raise `Lost` or `Repeat` for what another try may mend."""
        if is_lost(self._connection, failure):
            raise Lost(lost(self._where, failure), token) from failure
        if isinstance(failure, RESOLVED_BY_RUNNING_AGAIN):
            self._roll_back()
            problem = self._session.problem
            raise Repeat(problem or translate(failure, self._where, self._connection)) from failure

    def _roll_back(self) -> None:
        # What failed earlier may come once more; after that the pipeline takes statements again.
        with suppress(DriverError):
            self._pipeline.sync()
        self._finish(ROLLBACK)

    def _finish(self, sql: bytes) -> AbathurError | None:
        try:
            self._session.finish(sql)
        except AbathurError as error:
            if not self._is_idle():
                # Then the next transaction gets another connection.
                self._connection.close()
            return error
        return None

    def _is_idle(self) -> bool:
        with suppress(DriverError):
            self._pipeline.sync()
            return self._connection.info.transaction_status.name == "IDLE"
        return False
