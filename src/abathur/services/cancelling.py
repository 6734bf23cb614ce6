"""Ending tasks on request, and starting ended ones again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from abathur.domain.audit import Action
from abathur.domain.errors import IllegalTransitionError, NotFoundError
from abathur.domain.landing import LandingState
from abathur.domain.money import UNPRICED
from abathur.domain.records import changed
from abathur.domain.runs import OutcomeKind
from abathur.domain.tasks import Task, TaskStatus, moved
from abathur.ports.stores import Stores
from abathur.services import accounting, asking, looping, pooling, trail, wholes
from abathur.services.finishing import cancel_dependents, give_up
from abathur.services.submitting import waiting_status

ENDED_BADLY: Final = frozenset({TaskStatus.FAILED, TaskStatus.CANCELLED})


def cancel(
    stores: Stores, task_id: str, *, now: datetime, actor: str, reason: str | None = None
) -> Sequence[Task]:
    """Cancel the task and all that waits for it; it first, in the order found.

    A running one is cancelled at once: its worker finds its fence gone, ends the agent and keeps
    its work. Refused while its work is being merged, since it may be in the target already. Parts
    that it was split into are cancelled too, unless something else waits for them.
    """
    task = _existing(stores, task_id)
    if task.status is TaskStatus.CANCELLED:
        return []
    parts = wholes.open_parts(stores, task)
    gone = _end(stores, task, reason or "cancelled on request", None, actor, now)
    why = f"cancelled because task {task_id} was cancelled"
    return [
        gone,
        *cancel_dependents(stores, task, why, actor, now),
        *_cancel_parts(stores, task, parts, actor, now),
    ]


def _end(
    stores: Stores, task: Task, message: str, whole: str | None, actor: str, now: datetime
) -> Task:
    if task.status is TaskStatus.RUNNING:
        _end_run(stores, task, now)
    asking.void_open(stores, task.id, message, actor=actor, now=now)
    gone = moved(
        task,
        TaskStatus.CANCELLED,
        now,
        completed_at=now,
        error_message=message,
        cancelled_by=whole,
    )
    return trail.save(stores, Action.TASK_CANCELLED, task, gone, actor, now)


def _cancel_parts(
    stores: Stores, whole: Task, parts: Sequence[Task], actor: str, now: datetime
) -> Sequence[Task]:
    """The whole has ended, so they aren't its business any more; each remembers it."""
    cancelled: list[Task] = []
    why = f"cancelled because task {whole.id}, which it is a part of, was cancelled"
    for part in wholes.unneeded(stores, parts):
        further = wholes.open_parts(stores, part)
        cancelled.append(_end(stores, part, why, whole.id, actor, now))
        cancelled += _cancel_parts(stores, part, further, actor, now)
    return cancelled


def _existing(stores: Stores, task_id: str) -> Task:
    task = stores.tasks.get(task_id)
    if task is None:
        raise NotFoundError(f"no task has the id {task_id}")
    return task


def _end_run(stores: Stores, task: Task, now: datetime) -> None:
    for landing in stores.landings.of_task(task.id):
        if landing.merge_commit and not landing.state.is_final:
            raise IllegalTransitionError(
                f"task {task.id} is being merged into {landing.target} at this moment; "
                "look again in a few seconds"
            )
        if not landing.state.is_final:
            gone = changed(
                landing, state=LandingState.CANCELLED, ended_at=now, fence=landing.fence + 1
            )
            stores.landings.save(gone, landing.fence)
    for attempt in stores.attempts.of_task(task.id):
        if attempt.ended_at is None:
            ended = changed(attempt, ended_at=now, outcome=OutcomeKind.CANCELLED)
            stores.attempts.save(ended)
            pooling.abandon(stores, f"{task.id}/{ended.number}", now)
            stores.costs.settle(accounting.cost_of(stores, task, ended, None, UNPRICED, now))
    stores.workers.end_agents(task.id, now)


def retry(stores: Stores, task_id: str, *, now: datetime, actor: str) -> Sequence[Task]:
    """Queue a failed or cancelled task afresh, and with it what its end had cancelled.

    All counters start again. Parts that it was split into and that its cancelling had cancelled
    come back first; without one that has ended badly otherwise it goes on. Raises
    `IllegalTransitionError` when it isn't ended, is completed, or waits for another prerequisite
    that is failed or cancelled itself.
    """
    task = _existing(stores, task_id)
    if task.status not in ENDED_BADLY:
        raise IllegalTransitionError(
            f"task {task_id} is {task.status}; only a failed or cancelled one can be retried"
        )
    revived = list(_revive_whole(stores, task, actor, now))
    for parent in revived:  # it grows while it is walked
        for dependent in stores.graph.dependents(parent.id):
            # `cancelled_by` may name another end than the one mended last: any will do, as long
            # as nothing dead is left below. Cancelled on request, a task stays cancelled.
            was_taken_along = dependent.status is TaskStatus.CANCELLED and dependent.cancelled_by
            if was_taken_along and not _dead_ends(stores, dependent):
                revived.append(_revive(stores, dependent, actor, now))
    return revived


def _revive_whole(stores: Stores, task: Task, actor: str, now: datetime) -> Sequence[Task]:
    """The task, and behind it the parts that were cancelled with it."""
    found = wholes.members(stores, task)
    for part in found.lost:
        task = give_up(stores, task, part, actor, now)
    parts = [
        one
        for part in found.taken_along
        for one in _revive_whole(stores, _existing(stores, part.id), actor, now)
    ]
    _check_prerequisites(stores, task)
    return [_revive(stores, task, actor, now), *parts]


def _dead_ends(stores: Stores, task: Task) -> Sequence[Task]:
    return [other for other in stores.graph.unmet(task.id) if other.status in ENDED_BADLY]


def _check_prerequisites(stores: Stores, task: Task) -> None:
    dead = _dead_ends(stores, task)
    if dead:
        raise IllegalTransitionError(
            f"task {task.id} waits for task {dead[0].id}, which is {dead[0].status}; "
            f"run `abathur task retry {dead[0].id}` first"
        )


def _revive(stores: Stores, task: Task, actor: str, now: datetime) -> Task:
    fresh = moved(
        task,
        waiting_status(task.unmet_count, task.not_before, now),
        now,
        completed_at=None,
        error_message=None,
        result_data=None,
        cancelled_by=None,
        retry_count=0,
        rework_count=0,
        lost_count=0,
    )
    looping.reopen(stores, task.id)
    return trail.save(stores, Action.TASK_RETRIED, task, fresh, actor, now)
