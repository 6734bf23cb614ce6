"""Queueing a whole backlog, all or nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from abathur.domain.errors import IdempotencyConflictError, InvalidInputError, PlanError
from abathur.domain.plans import Plan, PlannedTask, in_order
from abathur.ports.stores import Stores
from abathur.services.submitting import Submitted, submit


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a plan, task by task, in an order in which they can run."""

    submitted: Sequence[tuple[str, Submitted]]

    @property
    def created(self) -> int:
        return sum(submitted.created for _, submitted in self.submitted)


def apply_plan(
    stores: Stores, plan: Plan, *, new_id: Callable[[], str], now: datetime, actor: str
) -> Applied:
    """Queue every task of the plan that isn't there yet.

    A task that was queued from this plan before is left as it is. Raises `PlanError`, and then
    nothing of the plan was queued.
    """
    ids: dict[str, str] = {}
    done: list[tuple[str, Submitted]] = []
    for planned in in_order(plan):
        submitted = _submit(stores, plan, planned, ids, new_id(), now, actor)
        ids[planned.name] = submitted.task.id
        done.append((planned.name, submitted))
    return Applied(done)


def _submit(
    stores: Stores,
    plan: Plan,
    planned: PlannedTask,
    ids: dict[str, str],
    task_id: str,
    now: datetime,
    actor: str,
) -> Submitted:
    key = plan.key(planned.name)
    known = stores.tasks.by_key(key)
    needs = tuple(ids[name] for name in planned.needs)
    # A task that is there already keeps the prerequisites that it was queued with.
    new = replace(planned.new, idempotency_key=key, prerequisites=() if known else needs)
    try:
        return submit(stores, new, task_id=task_id, now=now, actor=actor)
    except IdempotencyConflictError as error:
        raise PlanError(
            [
                f"{plan.file}:{planned.line}: {planned.name}: it was queued from this plan before "
                f"with another prompt or agent type (task {known.id if known else '?'}); "
                "give the changed task a new name"
            ]
        ) from error
    except InvalidInputError as error:
        raise PlanError([f"{plan.file}:{planned.needs_line}: needs: {error}"]) from error
