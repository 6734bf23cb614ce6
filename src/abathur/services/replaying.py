"""The queue as it was at any moment, told from the audit trail alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import attrgetter

from abathur.domain.errors import DatabaseCorruptError, NotFoundError
from abathur.domain.replay import NotTold, replay
from abathur.domain.tasks import Task
from abathur.ports.stores import Stores, TaskFilter
from abathur.services.reading import resolve_trail


def tasks_at(stores: Stores, at: datetime | None, where: TaskFilter) -> list[Task]:
    """The tasks that fitted the filter at the moment, or now, in order of id; the newest of them.

    Reads the whole trail, one task after the other. Raises `DatabaseCorruptError` when it tells
    no tasks.
    """
    found = [task for task in _all(stores, at) if _fits(task, where)]
    return found[-where.limit :]


def _all(stores: Stores, at: datetime | None) -> Iterator[Task]:
    for task_id, rows in groupby(stores.audit.rows(), key=attrgetter("task_id")):
        try:
            task = replay(rows, at)
        except NotTold as error:
            raise _broken(task_id) from error
        if task is not None:
            yield task


def task_at(stores: Stores, text: str, at: datetime | None) -> Task:
    """One task as it was, or is. Raises `NotFoundError` when it wasn't there then."""
    task_id = resolve_trail(stores, text)
    try:
        task = replay(stores.audit.rows_of(task_id), at)
    except NotTold as error:
        raise _broken(task_id) from error
    if task is None:
        raise NotFoundError(
            f"the trail tells of no task {task_id} at that time; `abathur audit show {task_id}` "
            "tells its history"
        )
    return task


@dataclass(frozen=True, slots=True)
class Past:
    task: Task
    prerequisites: Sequence[Task]
    """As they were at the same moment, in the order of their ids; none that the trail has lost."""


def past_of(stores: Stores, text: str, at: datetime) -> Past:
    """A task as it was, with what it waited for. Raises as `task_at`."""
    task = task_at(stores, text, at)
    return Past(task, list(_told(stores, task.prerequisites, at)))


def _told(stores: Stores, ids: Iterable[str], at: datetime) -> Iterator[Task]:
    for task_id in sorted(ids):
        try:
            task = replay(stores.audit.rows_of(task_id), at)
        except NotTold as error:
            raise _broken(task_id) from error
        if task is not None:
            yield task


def _broken(task_id: str) -> DatabaseCorruptError:
    return DatabaseCorruptError(
        f"the audit trail doesn't tell what task {task_id} is; run `abathur audit verify`"
    )


def _fits(task: Task, where: TaskFilter) -> bool:
    texts = (task.summary.casefold(), task.prompt.casefold())
    return all(
        (
            where.status in (None, task.status),
            where.exclude_status != task.status,
            where.agent_type in (None, task.agent_type),
            where.source in (None, task.source),
            where.feature_branch in (None, task.feature_branch),
            where.parent_task_id in (None, task.parent_task_id),
            where.text is None or any(where.text.casefold() in text for text in texts),
            where.after_id is None or task.id > where.after_id,
        )
    )
