"""Group commit: many use cases in one transaction, made durable at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Generic, TypeVar

from abathur.domain.errors import DatabaseError
from abathur.infrastructure.database.engines.jobs import Job
from abathur.infrastructure.database.engines.sqlite import (
    Connection,
    DriverError,
    passive_checkpoint,
    translated,
)
from abathur.infrastructure.database.engines.sqlite_at_once import done_at_once, runs
from abathur.infrastructure.database.engines.sqlite_opened import Opened

C = TypeVar("C")

CHECKPOINT_PAGES: Final = 1000
"""About 4 MB of write-ahead log."""


class TransactionLost(Exception):
    """SQLite rolled back by itself, with the use cases that had gone well."""


class GroupCommit(Generic[C]):
    """Belongs to one writer thread, which has the turn when it calls."""

    def __init__(self, opened: Opened[C]) -> None:
        self._opened = opened
        self._connection = opened.connection
        self._where = opened.where
        self._pages = 0
        self._checkpoint_at = CHECKPOINT_PAGES
        self.commits = 0
        self._connection.set_wal_hook(self._note_pages)

    def run(self, batch: Sequence[Job[C, Any]]) -> None:
        """Afterwards every job has its durable result or its error."""
        try:
            self._begin()
        except DatabaseError as error:
            _fail(batch, error)
            return
        try:
            if not self._together(batch) and len(batch) > 1:
                self._apart(batch)
            self._finish(batch)
        except (DatabaseError, TransactionLost) as error:
            self._roll_back()
            self._once_more(batch, error)

    @property
    def changes(self) -> int:
        return self._connection.total_changes()

    @property
    def checkpoint_due(self) -> bool:
        return self._pages >= self._checkpoint_at

    def checkpoint(self) -> None:
        """A failure loses nothing: the next one copies the same pages."""
        try:
            complete = passive_checkpoint(self._connection)
        except DriverError:
            complete = False
        # While a reader pins the log, trying after each commit would be in vain.
        self._checkpoint_at = CHECKPOINT_PAGES + (0 if complete else self._pages)
        if complete:
            self._pages = 0

    def _begin(self) -> None:
        self._opened.session.begin()
        with translated(self._where, self._connection):
            self._connection.execute("BEGIN IMMEDIATE")

    def _together(self, batch: Sequence[Job[C, Any]]) -> bool:
        """Without savepoints, which cost a third of a small write; False if one was needed.

        Most use cases that raise do so before they write anything.
        """
        with translated(self._where, self._connection):
            return all(self._run_together(jobs) for jobs in runs(batch))

    def _run_together(self, jobs: list[Job[C, Any]]) -> bool:
        before = self._opened.session.changes
        left = done_at_once(jobs, self._opened.stores)
        self._refuse_lost()
        if left is None and self._opened.session.changes != before:
            return False
        for job in jobs if left is None else left:
            before = self._opened.session.changes
            job.run(self._opened.stores)
            self._refuse_lost()
            if job.error is not None and self._opened.session.changes != before:
                return False
        return True

    def _apart(self, batch: Sequence[Job[C, Any]]) -> None:
        """Once more from the start, so that one that raises undoes only itself."""
        with translated(self._where, self._connection):
            self._connection.execute("ROLLBACK")
            self._begin()
            for job in batch:
                self._connection.execute("SAVEPOINT use_case")
                job.run(self._opened.stores)
                self._refuse_lost()
                if job.error is None:
                    self._opened.session.write_put_off()
                else:
                    self._opened.session.forget()
                    self._connection.execute("ROLLBACK TO use_case")
                self._connection.execute("RELEASE use_case")

    def _finish(self, batch: Sequence[Job[C, Any]]) -> None:
        with translated(self._where, self._connection):
            if all(job.error for job in batch):
                self._connection.execute("ROLLBACK")
            else:
                self._opened.session.write_put_off()
                self._connection.execute("COMMIT")
                self.commits += 1

    def _refuse_lost(self) -> None:
        if not self._connection.in_transaction:
            raise self._opened.session.lost or TransactionLost

    def _roll_back(self) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except DriverError:
            # Then SQLite has done it already; the next BEGIN would tell.
            return

    def _once_more(self, batch: Sequence[Job[C, Any]], error: Exception) -> None:
        """One at a time, so that who caused it is the only one to hear of it."""
        if len(batch) > 1:
            for job in batch:
                self.run([job])
        elif isinstance(error, DatabaseError):
            batch[0].error = error
        else:
            batch[0].error = DatabaseError(
                f"`{self._where}`: the transaction was undone; try again"
            )

    def _note_pages(self, _connection: Connection, _name: str, pages: int) -> int:
        self._pages = pages
        return 0


def _fail(batch: Sequence[Job[Any, Any]], error: DatabaseError) -> None:
    for job in batch:
        job.error = error
