"""Attempts and the events of their runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from abathur.domain.records import differing
from abathur.infrastructure.database.codecs import moment
from abathur.infrastructure.database.stores.rows import (
    attempt_of,
    attempt_row,
    event_of,
    late_report_of,
    late_report_row,
)

if TYPE_CHECKING:
    from abathur.domain.runs import Attempt, LateReport, RunEvent
    from abathur.infrastructure.database.engines.base import Session


class SqlAttempts:
    def __init__(self, session: Session) -> None:
        self._session = session

    def insert(self, attempt: Attempt) -> None:
        self._session.send("attempts_insert", attempt_row(attempt))

    def get(self, task_id: str, number: int) -> Attempt | None:
        row = self._session.fetch_one("attempts_get", task_id=task_id, number=number)
        return None if row is None else attempt_of(row)

    def foresee(self, task_id: str, number: int) -> None:
        self._session.foresee(
            "attempts_get", "attempts_ahead_of_time", task_id=task_id, number=number
        )

    def of_task(self, task_id: str) -> Sequence[Attempt]:
        return [attempt_of(row) for row in self._session.fetch("attempts_of_task", task_id=task_id)]

    def on_branch(self, branch: str) -> Attempt | None:
        row = self._session.fetch_one("attempts_on_branch", branch=branch)
        return None if row is None else attempt_of(row)

    def save(self, attempt: Attempt, old: Attempt | None = None) -> None:
        only = None if old is None else differing(old, attempt)
        if only != ():
            self._session.save("attempts_save", only, None, attempt_row(attempt))

    def unended(self, worker_id: str | None = None) -> Sequence[Attempt]:
        rows = self._session.fetch("attempts_unended", worker_id=worker_id)
        return [attempt_of(row) for row in rows]

    def add_events(
        self, task_id: str, number: int, events: Iterable[tuple[int, datetime, RunEvent]]
    ) -> None:
        self._session.execute_many(
            "events_insert",
            [
                {
                    "task_id": task_id,
                    "attempt": number,
                    "sequence": sequence,
                    "at": at,
                    "kind": event.kind,
                    "text": event.text,
                    "data": dict(event.data),
                }
                for sequence, at, event in events
            ],
        )

    def events(
        self, task_id: str, number: int, after: int = 0, limit: int = 1000
    ) -> Sequence[tuple[int, datetime, RunEvent]]:
        rows = self._session.fetch(
            "events_of_attempt", task_id=task_id, attempt=number, after=after, limit=limit
        )
        return [(row["sequence"], moment(row["at"]), event_of(row)) for row in rows]

    def last_events(
        self, task_id: str, number: int, limit: int = 1
    ) -> Sequence[tuple[int, datetime, RunEvent]]:
        rows = self._session.fetch("events_last", task_id=task_id, attempt=number, limit=limit)
        return [(row["sequence"], moment(row["at"]), event_of(row)) for row in reversed(rows)]

    def add_late_report(self, late: LateReport) -> None:
        self._session.send("late_reports_insert", **late_report_row(late))

    def late_reports(self, task_id: str) -> Sequence[LateReport]:
        rows = self._session.fetch("late_reports_of_task", task_id=task_id)
        return [late_report_of(row) for row in rows]
