"""Rows of many tasks at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from abathur.infrastructure.database.stores.rows import (
    STATUSES,
    attempt_of,
    attempt_row,
    landing_of,
    landing_row,
    task_row,
)

if TYPE_CHECKING:
    from abathur.domain.landing import Landing
    from abathur.domain.money import Cost
    from abathur.domain.runs import Attempt
    from abathur.domain.tasks import Task, TaskStatus
    from abathur.infrastructure.database.engines.base import Session


class SqlMany:
    """Meets `ports.many.ManyStore`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def attempts(self, keys: Iterable[tuple[str, int]]) -> dict[tuple[str, int], Attempt]:
        wanted = [{"task_id": task_id, "number": number} for task_id, number in keys]
        rows = self._session.fetch("attempts_ahead_of_time", keys=wanted)
        return {(row["task_id"], row["number"]): attempt_of(row) for row in rows}

    def statuses(self, task_ids: Iterable[str]) -> dict[str, TaskStatus]:
        rows = self._session.fetch("many_statuses", ids=list(task_ids))
        return {row["id"]: STATUSES[row["status"]] for row in rows}

    def landings(self, ids: Iterable[str]) -> dict[str, Landing]:
        rows = self._session.fetch("landings_ahead_of_time", keys=[{"id": one} for one in ids])
        return {row["id"]: landing_of(row) for row in rows}

    def asked_or_awaited(self, task_ids: Iterable[str]) -> Collection[str]:
        rows = self._session.fetch("ends_ahead_of_time", keys=list(task_ids))
        return {row["task_id"] for row in rows}

    def begin(self, attempts: Sequence[Attempt]) -> None:
        self._session.execute_many("attempts_insert", map(attempt_row, attempts))

    def end(
        self, attempts: Sequence[Attempt], costs: Sequence[Cost], agents: Mapping[str, datetime]
    ) -> None:
        self._session.execute_many("many_end", map(attempt_row, attempts))
        self._session.execute_many("costs_settle", map(vars, costs))
        self._session.execute_many(
            "agents_end_of_task", [{"task_id": one, "now": now} for one, now in agents.items()]
        )

    def ask_landings(self, tasks: Sequence[Task], landings: Sequence[Landing]) -> None:
        self._session.execute_many("landings_insert", map(landing_row, landings))
        self._session.execute_many("many_ask_landings", map(task_row, tasks))

    def landable(self, limit: int, now: datetime) -> Sequence[Landing]:
        rows = self._session.fetch("many_landable", limit=limit, now=now)
        return [landing_of(row) for row in rows]

    def land(self, landings: Sequence[Landing]) -> None:
        self._session.execute_many("many_land", map(landing_row, landings))

    def announce(self, landings: Sequence[Landing]) -> None:
        self._session.execute_many("many_announce", map(landing_row, landings))

    def complete(self, tasks: Sequence[Task], landings: Sequence[Landing]) -> None:
        self._session.execute_many("many_end_landings", map(landing_row, landings))
        self._session.execute_many("many_complete", map(task_row, tasks))
