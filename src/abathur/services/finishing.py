"""How tasks end, and what their end does to others. Parts of use cases, not whole ones."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from abathur.domain.audit import Action
from abathur.domain.records import changed
from abathur.domain.tasks import Task, TaskStatus, moved
from abathur.ports.stores import Stores
from abathur.services import asking, trail
from abathur.services.submitting import waiting_status


def complete(stores: Stores, task: Task, actor: str, now: datetime) -> tuple[Task, Sequence[Task]]:
    """Make it completed and let go what waited only for it; the task, and the tasks let go."""
    is_asked, is_awaited = stores.graph.at_end(task.id)
    if is_asked:
        asking.void_open(stores, task.id, "the task is completed", actor=actor, now=now)
    done = completed(task, now)
    trail.save(stores, Action.TASK_COMPLETED, task, done, actor, now)
    released: list[Task] = []
    for dependent in stores.graph.resolve(task.id, now) if is_awaited else ():
        if dependent.status is TaskStatus.BLOCKED and dependent.unmet_count == 0:
            released.append(_let_go(stores, dependent, actor, now))
        else:
            trail.record(
                stores,
                Action.PREREQUISITE_COMPLETED,
                dependent.id,
                actor,
                now,
                unmet_count=dependent.unmet_count,
            )
    return done, released


def completed(task: Task, now: datetime) -> Task:
    return moved(task, TaskStatus.COMPLETED, now, completed_at=now, error_message=None)


def _let_go(stores: Stores, task: Task, actor: str, now: datetime) -> Task:
    free = moved(task, waiting_status(0, task.not_before, now), now)
    return trail.save(stores, Action.TASK_READY, task, free, actor, now, unmet_count=0)


def fail(stores: Stores, task: Task, message: str, actor: str, now: datetime) -> Sequence[Task]:
    """Make it failed for good and cancel all that waits for it; the tasks cancelled."""
    asking.void_open(stores, task.id, "the task has failed", actor=actor, now=now)
    failed = moved(task, TaskStatus.FAILED, now, completed_at=now, error_message=message)
    trail.save(stores, Action.TASK_FAILED, task, failed, actor, now)
    reason = f"cancelled because task {task.id} failed"
    return cancel_dependents(stores, task, reason, actor, now)


def cancel_dependents(
    stores: Stores, root: Task, reason: str, actor: str, now: datetime
) -> Sequence[Task]:
    """Cancel everything that waits for `root`, at any distance; each remembers `root`.

    What was split into parts goes on without one that ends badly, and is told of it.
    """
    cancelled: list[Task] = []
    seen = {root.id}
    ended = [root]
    while ended:
        gone = ended.pop()
        for task in stores.graph.dependents(gone.id):
            if task.id in seen or task.status.is_final:
                continue
            if _is_part(stores, gone, task):
                _go_without(stores, task.id, gone, actor, now)
                continue
            seen.add(task.id)
            ended.append(task)
            cancelled.append(_cancel_dependent(stores, task, root.id, reason, actor, now))
    return cancelled


def _is_part(stores: Stores, part: Task, whole: Task) -> bool:
    return part.parent_task_id == whole.id and stores.loops.get(whole.id) is not None


def _go_without(stores: Stores, task_id: str, part: Task, actor: str, now: datetime) -> None:
    """Its loop has a next iteration, which can make good what the part hasn't done."""
    task = stores.tasks.get(task_id)
    if task is None or task.status is not TaskStatus.BLOCKED:
        return
    left = give_up(stores, task, part, actor, now)
    if left.unmet_count == 0:
        _let_go(stores, left, actor, now)


def give_up(stores: Stores, task: Task, part: Task, actor: str, now: datetime) -> Task:
    """Let the task wait for the part no longer; its status stays as it is."""
    stores.graph.remove(task.id, part.id)
    others = [one for one in task.prerequisites if one != part.id]
    left = changed(task, unmet_count=task.unmet_count - 1, last_updated_at=now)
    told = {"part": part.id, "prerequisites": others}
    trail.save(stores, Action.PART_GIVEN_UP, task, left, actor, now, **told)
    return stores.tasks.get(task.id) or left


def _cancel_dependent(
    stores: Stores, task: Task, root_id: str, reason: str, actor: str, now: datetime
) -> Task:
    gone = moved(
        task,
        TaskStatus.CANCELLED,
        now,
        completed_at=now,
        error_message=reason,
        cancelled_by=root_id,
    )
    return trail.save(stores, Action.TASK_CANCELLED, task, gone, actor, now)
