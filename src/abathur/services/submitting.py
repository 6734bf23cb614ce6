"""Putting tasks into the queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from abathur.domain.audit import Action
from abathur.domain.errors import IdempotencyConflictError, InvalidInputError, NotFoundError
from abathur.domain.priority import Position, rank
from abathur.domain.records import made
from abathur.domain.tasks import JsonObject, NewTask, Task, TaskStatus
from abathur.ports.stores import Stores
from abathur.services import looping, trail


@dataclass(frozen=True, slots=True)
class Submitted:
    task: Task
    created: bool
    """False when the idempotency key was known and the task that it stands for is returned."""


def submit(stores: Stores, new: NewTask, *, task_id: str, now: datetime, actor: str) -> Submitted:
    """Queue one task: ready, blocked by prerequisites, or pending until `not_before`.

    The same idempotency key with the same prompt and agent type returns the task that is there.
    Raises `NotFoundError`, `InvalidInputError`, `IdempotencyConflictError`.
    """
    known = None
    if new.idempotency_key is not None:
        known = stores.tasks.by_key(new.idempotency_key)
    if known is not None:
        check_same(known, new)
        return Submitted(known, created=False)
    prerequisites = _existing(stores, new.prerequisites)
    task = create(stores, new, prerequisites, task_id=task_id, now=now, actor=actor)
    for prerequisite in prerequisites:
        rerank(stores, prerequisite, actor, now)
    return Submitted(task, created=True)


def check_same(known: Task, new: NewTask) -> None:
    """Raises `IdempotencyConflictError` when the key is used for something else."""
    if (known.prompt, known.agent_type) != (new.prompt, new.agent_type):
        raise IdempotencyConflictError(
            f"idempotency key `{new.idempotency_key}` already stands for task {known.id} with "
            "another prompt or agent type; use a new key for a new task"
        )


def create(
    stores: Stores,
    new: NewTask,
    prerequisites: Sequence[Task],
    *,
    task_id: str,
    now: datetime,
    actor: str,
    blocking: int = 0,
    key: str | None = None,
) -> Task:
    """Queue a task whose key isn't used and whose prerequisites were read in this transaction.

    `blocking` tasks that wait for it are going to follow. Those that it waits for have to be
    reranked by the caller. `key` is the idempotency key, if it isn't that of `new`.
    """
    _check_alive(prerequisites)
    _check_parent(stores, new.parent_task_id)
    task = _built(new, prerequisites, blocking, task_id, now, key)
    stores.tasks.insert(task)
    trail.tell(stores, Action.TASK_SUBMITTED, task.id, actor, now, _told(task, new))
    if new.touches:
        stores.admission.add_paths(task.id, new.touches, may_overlap=new.may_overlap)
    if new.loop is not None:
        looping.add(stores, task.id, new.loop, now=now, actor=actor)
    return task


def _existing(stores: Stores, ids: Sequence[str]) -> Sequence[Task]:
    found = stores.tasks.get_many(ids)
    missing = set(ids) - {task.id for task in found}
    if missing:
        raise NotFoundError(f"no task has the id {min(missing)}, named as a prerequisite")
    return found


def _check_alive(prerequisites: Sequence[Task]) -> None:
    for task in prerequisites:
        if task.status in {TaskStatus.FAILED, TaskStatus.CANCELLED}:
            raise InvalidInputError(
                f"prerequisite {task.id} is {task.status} and would block this task for ever; "
                f"run `abathur task retry {task.id}` first, or leave it out"
            )


def _check_parent(stores: Stores, parent_task_id: str | None) -> None:
    if parent_task_id is not None and stores.tasks.get(parent_task_id) is None:
        raise NotFoundError(f"no task has the id {parent_task_id}, named as the parent")


def _built(
    new: NewTask,
    prerequisites: Sequence[Task],
    blocking: int,
    task_id: str,
    now: datetime,
    key: str | None = None,
) -> Task:
    unmet = depth = 0
    for task in prerequisites:
        unmet += task.status is not TaskStatus.COMPLETED
        depth = max(depth, task.dependency_depth + 1)
    position = Position(priority=new.priority, depth=depth, blocking=blocking, source=new.source)
    # As a whole: naming the fields to a constructor takes twice as long.
    fields: dict[str, object] = {
        "id": task_id,
        "summary": new.summary,
        "prompt": new.prompt,
        "agent_type": new.agent_type,
        "priority": new.priority,
        "status": waiting_status(unmet, new.not_before, now),
        "source": new.source,
        "parent_task_id": new.parent_task_id,
        "deadline": new.deadline,
        "estimated_duration_seconds": new.estimated_duration_seconds,
        "max_retries": new.max_retries,
        "max_execution_timeout_seconds": new.max_execution_timeout_seconds,
        "input_data": dict(new.input_data),
        "result_data": None,
        "error_message": None,
        "feature_branch": new.feature_branch,
        "task_branch": None,
        "worktree_path": None,
        "idempotency_key": key or new.idempotency_key,
        "created_by": new.created_by,
        "submitted_at": now,
        "started_at": None,
        "completed_at": None,
        "last_updated_at": now,
        "not_before": new.not_before,
        "dependency_depth": depth,
        "unmet_count": unmet,
        "rank": rank(position, now, new.deadline, new.estimated_duration_seconds),
        "fence": 0,
        "worker_id": None,
        "lease_until": None,
        "attempt_count": 0,
        "retry_count": 0,
        "rework_count": 0,
        "lost_count": 0,
        "cancelled_by": None,
        "prerequisites": tuple(task.id for task in prerequisites),
    }
    return made(Task, fields)


def waiting_status(unmet: int, not_before: datetime | None, now: datetime) -> TaskStatus:
    """Where a task that nobody runs belongs."""
    if unmet:
        return TaskStatus.BLOCKED
    if not_before is not None and not_before > now:
        return TaskStatus.PENDING
    return TaskStatus.READY


def _told(task: Task, new: NewTask) -> JsonObject:
    """The whole task as it was submitted: from here on the trail tells differences only.

    Paths aren't in the task's row, but the trail alone shall tell them too.
    """
    told = {name: value for name, value in vars(task).items() if value is not None}
    if new.touches:
        told |= {"touches": new.touches, "may_overlap": new.may_overlap}
    return told


def rerank(stores: Stores, task: Task, actor: str, now: datetime) -> None:
    """Recompute the place of a waiting task after its place in the graph has changed."""
    if task.status.is_final or task.status is TaskStatus.RUNNING:
        return
    position = Position(
        priority=task.priority,
        depth=task.dependency_depth,
        blocking=stores.graph.dependent_count(task.id),
        source=task.source,
    )
    new = rank(position, task.submitted_at, task.deadline, task.estimated_duration_seconds)
    if new != task.rank:
        stores.tasks.rerank(task.id, new)
        trail.record(stores, Action.TASK_RERANKED, task.id, actor, now, rank=new)
