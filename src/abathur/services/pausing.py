"""Beginning and ending holds: what is held isn't claimed, and what runs goes on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from abathur.domain.admission import HoldCause, HoldScope
from abathur.domain.audit import Action
from abathur.domain.errors import IllegalTransitionError, InvalidInputError, NotFoundError
from abathur.domain.records import changed
from abathur.services import trail

if TYPE_CHECKING:
    from abathur.domain.admission import Hold
    from abathur.ports.stores import Stores


def pause(stores: Stores, hold: Hold) -> Hold:
    """Begin the hold, which takes the place of one with the same scope, name and cause.

    Raises `NotFoundError`, `IllegalTransitionError`, `InvalidInputError`.
    """
    if not hold.is_active(hold.created_at):
        raise InvalidInputError("until: that time is over; give one that is to come")
    if hold.scope is HoldScope.TASK:
        _check_task(stores, hold.name)
    hold = changed(hold, reason=" ".join(hold.reason.split()))
    stores.admission.put_hold(hold)
    _tell(stores, Action.HOLD_BEGUN, hold, hold.created_by, hold.created_at)
    return hold


def _check_task(stores: Stores, task_id: str) -> None:
    task = stores.tasks.get(task_id)
    if task is None:
        raise NotFoundError(f"no task has the id {task_id}")
    if task.status.is_final:
        raise IllegalTransitionError(
            f"task {task_id} is {task.status}, so there is nothing to pause"
        )


def resume(
    stores: Stores,
    scope: HoldScope,
    name: str = "",
    *,
    now: datetime,
    actor: str,
    cause: HoldCause | None = None,
) -> Sequence[Hold]:
    """End the holds of that scope and name, those of one cause or of all; those that there were."""
    ended = stores.admission.end_holds(scope, name, cause)
    for hold in ended:
        _tell(stores, Action.HOLD_ENDED, hold, actor, now)
    return ended


def resume_all(stores: Stores, *, now: datetime, actor: str) -> Sequence[Hold]:
    return _end(stores, stores.admission.holds(), now, actor)


def end_overdue(stores: Stores, *, now: datetime, actor: str) -> Sequence[Hold]:
    """Clear away holds that are over. They hold nothing any more; this only tells it."""
    return _end(stores, overdue(stores, now), now, actor)


def overdue(stores: Stores, now: datetime) -> Sequence[Hold]:
    """Holds whose time is over, and pauses of tasks that have ended."""
    return [hold for hold in stores.admission.holds() if is_over(stores, hold, now)]


def is_over(stores: Stores, hold: Hold, now: datetime) -> bool:
    """One for a budget stays until it is answered: taking it away would grant what it asks for."""
    if not hold.is_active(now):
        return True
    if hold.scope is not HoldScope.TASK or hold.cause is not HoldCause.PERSON:
        return False
    task = stores.tasks.get(hold.name)
    return task is not None and task.status.is_final


def _end(stores: Stores, holds: Sequence[Hold], now: datetime, actor: str) -> Sequence[Hold]:
    return [
        ended
        for hold in holds
        for ended in resume(stores, hold.scope, hold.name, cause=hold.cause, now=now, actor=actor)
    ]


def _tell(stores: Stores, action: Action, hold: Hold, actor: str, now: datetime) -> None:
    task_id = hold.name if hold.scope is HoldScope.TASK else ""
    trail.record(
        stores,
        action,
        task_id,
        actor,
        now,
        scope=hold.scope,
        name=hold.name,
        cause=hold.cause,
        reason=hold.reason,
        until=hold.hold_until,
    )
