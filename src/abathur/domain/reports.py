"""What every front door shows, made of tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from abathur.domain.graph import batches, dependents
from abathur.domain.tasks import Task, TaskStatus


@dataclass(frozen=True, slots=True)
class TaskView:
    task: Task
    calculated_priority: float


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStatus:
    counts: Mapping[TaskStatus, int]
    """Every status is there, if only with 0."""
    oldest_ready: datetime | None
    """When the ready task that has waited longest was submitted."""
    next_due: datetime | None

    @property
    def total(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class TaskTree:
    """A task and those submitted on its behalf."""

    view: TaskView
    children: tuple[TaskTree, ...]


def trees(views: Sequence[TaskView]) -> tuple[TaskTree, ...]:
    """By parent. A task whose parent isn't among the views is a root; order is kept."""
    by_id = {view.task.id: view for view in views}
    parents = {task_id: _parents(view.task) for task_id, view in by_id.items()}
    below = dependents(parents)
    built: dict[str, TaskTree] = {}
    for batch in reversed(batches(parents)):
        for task_id in batch:
            children = tuple(built[child] for child in below[task_id])
            built[task_id] = TaskTree(by_id[task_id], children)
    return tuple(built[task_id] for task_id in by_id if parents[task_id].isdisjoint(by_id))


def _parents(task: Task) -> frozenset[str]:
    return frozenset() if task.parent_task_id is None else frozenset({task.parent_task_id})
