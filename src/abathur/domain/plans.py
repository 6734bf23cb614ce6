"""A backlog: named tasks that need each other, checked as a whole before any of it is queued."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from abathur.domain import graph
from abathur.domain.errors import PlanError
from abathur.domain.tasks import NewTask


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTask:
    name: str
    new: NewTask
    """Without prerequisites: `needs` names them."""
    needs: tuple[str, ...]
    line: int
    """Where in the file it begins; the first line is 1."""
    needs_line: int
    loop: object = None
    """As it is written: the name of a loop, or a section; only the configuration makes it whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    name: str
    """Part of the idempotency keys: the same plan applied again changes nothing."""
    file: str
    """As it is named in messages."""
    tasks: Mapping[str, PlannedTask]

    def key(self, task_name: str) -> str:
        return f"plan:{self.name}:{task_name}"


def in_order(plan: Plan) -> Sequence[PlannedTask]:
    """The tasks so that each comes after what it needs. Raises `PlanError`."""
    problems = _unknown_needs(plan) or _cycle(plan)
    if problems:
        raise PlanError(problems)
    waits_for = {task.name: list(task.needs) for task in plan.tasks.values()}
    return [plan.tasks[name] for batch in graph.batches(waits_for) for name in batch]


def _unknown_needs(plan: Plan) -> list[str]:
    return [
        f"{plan.file}:{task.needs_line}: needs: `{need}` is no task of this plan"
        for task in plan.tasks.values()
        for need in task.needs
        if need not in plan.tasks
    ]


def _cycle(plan: Plan) -> list[str]:
    cycle = graph.find_cycle({task.name: list(task.needs) for task in plan.tasks.values()})
    if cycle is None:
        return []
    line = plan.tasks[cycle[0]].needs_line
    return [
        f"{plan.file}:{line}: needs: these tasks wait for each other: {' -> '.join(cycle)}; "
        "remove one of the dependencies"
    ]
