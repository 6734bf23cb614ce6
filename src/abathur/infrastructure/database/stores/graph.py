"""The edges between tasks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from abathur.infrastructure.database.stores.rows import task_of
from abathur.ports.stores import Edge

if TYPE_CHECKING:
    from abathur.domain.tasks import Task
    from abathur.infrastructure.database.engines.base import Session


class SqlGraph:
    def __init__(self, session: Session) -> None:
        self._session = session

    def dependents(self, task_id: str) -> Sequence[Task]:
        return [task_of(row) for row in self._session.fetch("edges_dependents", id=task_id)]

    def add(self, task_id: str, prerequisites: Sequence[str], now: datetime) -> None:
        edges = [
            {"prerequisite": one, "dependent": task_id, "created_at": now} for one in prerequisites
        ]
        self._session.execute_many("edges_insert", edges)

    def remove(self, task_id: str, prerequisite: str) -> None:
        self._session.execute("edges_delete", dependent=task_id, prerequisite=prerequisite)

    def foresee(self, task_id: str) -> None:
        self._session.foresee(
            "tasks_at_end", "ends_ahead_of_time", "reviews task_dependencies", id=task_id
        )

    def resolve(self, task_id: str, now: datetime) -> Sequence[Task]:
        rows = self._session.fetch("edges_count_down", id=task_id, now=now)
        if rows:
            self._session.send("edges_resolve", id=task_id, now=now)
        return sorted((task_of(row) for row in rows), key=lambda task: task.id)

    def at_end(self, task_id: str) -> tuple[bool, bool]:
        found = self._session.fetch("tasks_at_end", id=task_id)
        return any(row["asked"] for row in found), any(row["awaited"] for row in found)

    def edges(self, task_ids: Iterable[str] | None = None) -> Sequence[Edge]:
        if task_ids is None:
            rows = self._session.fetch("edges_all")
        else:
            rows = self._session.fetch("edges_among", ids=list(task_ids))
        return [Edge(row["prerequisite"], row["dependent"]) for row in rows]

    def unmet(self, task_id: str) -> Sequence[Task]:
        return [task_of(row) for row in self._session.fetch("edges_unmet", id=task_id)]

    def dependent_count(self, task_id: str) -> int:
        row = self._session.fetch_one("edges_dependent_count", id=task_id)
        return 0 if row is None else int(row["n"])
