"""Queueing a whole backlog, all or nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from abathur.domain.errors import IdempotencyConflictError, InvalidInputError, PlanError
from abathur.domain.plans import Plan, PlannedTask, in_order
from abathur.domain.tasks import Task
from abathur.domain.wording import short
from abathur.ports.stores import Stores
from abathur.services.submitting import Submitted, check_same, create, rerank


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a plan, task by task, in an order in which they can run."""

    submitted: Sequence[tuple[str, Submitted]]
    differing: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Name of a task that was there already -> what the plan says of it by now and isn't done."""

    @property
    def created(self) -> int:
        return sum(submitted.created for _, submitted in self.submitted)


def apply_plan(
    stores: Stores, plan: Plan, *, new_id: Callable[[], str], now: datetime, actor: str
) -> Applied:
    """Queue every task of the plan that isn't there yet.

    A task that was queued from this plan before is left as it is, and what the plan says otherwise
    by now is told. Raises `PlanError`, and then nothing of the plan was queued.
    """
    order = in_order(plan)
    known = stores.tasks.by_keys([plan.key(planned.name) for planned in order])
    added = [planned for planned in order if plan.key(planned.name) not in known]
    blocking = Counter(name for planned in added for name in planned.needs)
    tasks: dict[str, Task] = {}
    for planned in order:
        task = known.get(plan.key(planned.name))
        if task is not None:
            _check_known(plan, planned, task)
        else:
            needs = [tasks[name] for name in planned.needs]
            task = _create(
                stores,
                plan,
                planned,
                needs,
                task_id=new_id(),
                now=now,
                actor=actor,
                blocking=blocking[planned.name],
            )
        tasks[planned.name] = task
    names = {planned.name for planned in added}
    for name in blocking.keys() - names:
        rerank(stores, tasks[name], actor, now)
    told = {one.name: _differences(one, tasks) for one in order if one.name not in names}
    return Applied(
        [(name, Submitted(task, name in names)) for name, task in tasks.items()],
        {name: texts for name, texts in told.items() if texts},
    )


def _differences(planned: PlannedTask, tasks: Mapping[str, Task]) -> Sequence[str]:
    """What may differ from what was queued without being another task."""
    new, known = planned.new, tasks[planned.name]
    names = {task.id: name for name, task in tasks.items()}
    needs = [names.get(task_id, short(task_id)) for task_id in known.prerequisites]
    pairs: Sequence[tuple[str, object, object]] = (
        ("needs", _listed(planned.needs), _listed(needs)),
        ("priority", new.priority, known.priority),
        ("target", new.feature_branch, known.feature_branch),
        ("max_retries", new.max_retries, known.max_retries),
        ("timeout", new.max_execution_timeout_seconds, known.max_execution_timeout_seconds),
    )
    return [f"{name}: {then}, not {now}" for name, now, then in pairs if now != then]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def _check_known(plan: Plan, planned: PlannedTask, known: Task) -> None:
    """A task that is there already keeps the prerequisites that it was queued with."""
    try:
        check_same(known, planned.new)
    except IdempotencyConflictError as error:
        raise PlanError(
            [
                f"{plan.file}:{planned.line}: {planned.name}: it was queued from this plan before "
                f"with another prompt or agent type (task {known.id}); "
                "give the changed task a new name"
            ]
        ) from error


def _create(
    stores: Stores, plan: Plan, planned: PlannedTask, needs: Sequence[Task], **more: Any
) -> Task:
    try:
        return create(stores, planned.new, needs, key=plan.key(planned.name), **more)
    except InvalidInputError as error:
        raise PlanError([f"{plan.file}:{planned.needs_line}: needs: {error}"]) from error
