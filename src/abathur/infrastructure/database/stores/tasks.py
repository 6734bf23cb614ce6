"""Tasks in the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from abathur.domain.errors import StaleFenceError
from abathur.domain.tasks import TaskStatus
from abathur.infrastructure.database.stores.rows import task_of, task_row

if TYPE_CHECKING:
    from abathur.domain.tasks import Task
    from abathur.infrastructure.database.engines.base import Session
    from abathur.ports.stores import TaskFilter

ABOVE_ALL_IDS: Final = "\x7f"
"""Sorts after every character that an id can hold."""


class SqlTasks:
    def __init__(self, session: Session) -> None:
        self._session = session

    def insert(self, task: Task) -> None:
        self._session.send("tasks_insert", task_row(task))
        if task.prerequisites:
            self._insert_edges(task)

    def _insert_edges(self, task: Task) -> None:
        self._session.execute_many(
            "edges_insert",
            [
                {
                    "prerequisite": prerequisite,
                    "dependent": task.id,
                    "created_at": task.submitted_at,
                }
                for prerequisite in task.prerequisites
            ],
        )

    def get(self, task_id: str) -> Task | None:
        row = self._session.fetch_one("tasks_get", id=task_id)
        return None if row is None else task_of(row)

    def foresee(self, task_id: str) -> None:
        self._session.foresee("tasks_get", "tasks_ahead_of_time", id=task_id)

    def get_many(self, task_ids: Iterable[str]) -> Sequence[Task]:
        wanted = list(task_ids)
        if not wanted:
            return []
        rows = self._session.fetch("tasks_get_many", ids=wanted)
        found = {row["id"]: task_of(row) for row in rows}
        return [found[task_id] for task_id in wanted if task_id in found]

    def by_key(self, idempotency_key: str) -> Task | None:
        row = self._session.fetch_one("tasks_by_key", idempotency_key=idempotency_key)
        return None if row is None else self.get(row["id"])

    def by_keys(self, idempotency_keys: Iterable[str]) -> Mapping[str, Task]:
        rows = self._session.fetch("tasks_by_keys", keys=list(idempotency_keys))
        keys = {row["id"]: row["idempotency_key"] for row in rows}
        return {keys[task.id]: task for task in self.get_many(keys)}

    def by_prefix(self, prefix: str, limit: int) -> Sequence[str]:
        rows = self._session.fetch(
            "tasks_by_prefix", low=prefix, high=prefix + ABOVE_ALL_IDS, limit=limit
        )
        return [row["id"] for row in rows]

    def select(self, where: TaskFilter) -> Sequence[Task]:
        rows = self._session.fetch(
            "tasks_select" if where.status is None else "tasks_select_status",
            status=where.status,
            exclude_status=where.exclude_status,
            agent_type=where.agent_type,
            source=where.source,
            feature_branch=where.feature_branch,
            parent_task_id=where.parent_task_id,
            text=_like(where.text),
            limit=where.limit,
            after_id=where.after_id,
        )
        return [task_of(row) for row in rows]

    def save(self, task: Task, fence: int, only: tuple[str, ...] | None = None) -> None:
        stale = StaleFenceError(
            f"task {task.id} was changed by somebody else meanwhile; nothing was written"
        )
        self._session.save("tasks_save", only or None, stale, task_row(task), expected_fence=fence)

    def rerank(self, task_id: str, rank: int) -> None:
        self._session.send("tasks_rerank", id=task_id, rank=rank)

    def counts(self) -> Mapping[TaskStatus, int]:
        found = {row["status"]: row["n"] for row in self._session.fetch("tasks_counts")}
        return {status: found.get(status.value, 0) for status in TaskStatus}

    def ahead(self, task: Task) -> int:
        row = self._session.fetch_one("tasks_ahead", rank=task.rank, id=task.id)
        return 0 if row is None else int(row["n"])


def _like(text: str | None) -> str | None:
    if text is None:
        return None
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
