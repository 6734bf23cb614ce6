"""Finding where the queue contradicts itself, and fixing it.

What is fixed is worked out afresh in the transaction that writes it, so a swarm may go on
meanwhile; each fixed task gets an audit entry in that transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from abathur.domain.audit import Action
from abathur.domain.errors import AbathurError, DatabaseCorruptError
from abathur.domain.problems import (
    OF_A_MEMORY,
    OF_A_ROW,
    OF_A_TASK,
    OF_A_TRAIL,
    OF_VERSIONS,
    SHOWN,
    Fix,
    Problem,
)
from abathur.domain.tasks import Task, TaskStatus
from abathur.ports.stores import Stores
from abathur.ports.upkeep import Surroundings
from abathur.services import trail
from abathur.services.fixing_from_trail import RETOLD, retell
from abathur.services.fixing_memories import make_again
from abathur.services.submitting import waiting_status

ROUNDS: Final = 1000
"""Fixing one row may show what is wrong with the next one: a chain of tasks takes one round each.
"""

JUDGED: Final = (
    "unmet_count",
    "attempt_count",
    "fence",
    "worker_id",
    "not_before",
    "completed_at",
    "cancelled_by",
    "error_message",
)
"""Told of a fixed task even where they stay: the trail may know other values than the broken row.
"""

MAKING: Final = frozenset({"attempt_worker_gone"})
"""Code words of problems that are a row that is missing."""

_WAITING: Final = frozenset({TaskStatus.PENDING, TaskStatus.BLOCKED, TaskStatus.READY})


class Rehearsed(AbathurError):
    """Raised to undo a rehearsal. `fixes` are what would have been fixed."""

    def __init__(self, fixes: Sequence[Fix]) -> None:
        super().__init__("this was only a rehearsal")
        self.fixes = tuple(fixes)


def find_problems(stores: Stores, limit: int = SHOWN) -> Sequence[Problem]:
    """Where the rows contradict each other, at most `limit` of each kind."""
    return stores.upkeep.problems(limit)


def rehearse(stores: Stores, *, now: datetime, actor: str) -> None:
    """Fix everything, then raise `Rehearsed`, which undoes it."""
    fixes: list[Fix] = []
    for _ in range(ROUNDS):
        done = fix(stores, find_problems(stores), now=now, actor=actor)
        if not done:
            break
        fixes += done
    raise Rehearsed(fixes)


def fix(stores: Stores, problems: Sequence[Problem], *, now: datetime, actor: str) -> Sequence[Fix]:
    """Fix those of the problems that can be fixed and are still there."""
    fixes: list[Fix] = []
    for problem in in_order(problems):
        fixes += _work_of(problem.code)(stores, problem, now, actor)
    return fixes


def _fix_from_trail(stores: Stores, problem: Problem, now: datetime, actor: str) -> Sequence[Fix]:
    before = stores.upkeep.row(problem)
    told = None if before is None else retell(stores, before, now)
    if told is None:
        return []
    fix = compared(problem, before, stores.upkeep.row(problem))
    values = {name: getattr(told, name) for name in RETOLD if name in fix.before}
    tell(stores, fix, told.id, actor, now, last_updated_at=now, **values)
    return [fix]


def _work_of(code: str) -> Callable[[Stores, Problem, datetime, str], Sequence[Fix]]:
    if code in OF_A_MEMORY:
        return _fix_memory
    if code in OF_A_TRAIL:
        return _fix_from_trail
    return _fix_row if code in OF_A_ROW else _fix_task


def in_order(problems: Sequence[Problem]) -> Sequence[Problem]:
    """Those that can be fixed, in an order in which that can be done and nothing goes untold.

    Rows first: a task that points to nothing can't be written. An attempt takes along what belongs
    to it, so it goes when that is gone. A memory is searched by its version, which comes first.
    """
    rows = [problem for problem in problems if problem.code in OF_A_ROW]
    rows.sort(key=lambda one: (one.code == "orphan_attempt", one.code not in MAKING))
    by_task = {problem.task_id: problem for problem in problems if problem.code in OF_A_TASK}
    found = [problem for problem in problems if problem.code in OF_A_MEMORY]
    found.sort(key=lambda one: (one.code != "passage_owner", one.code not in OF_VERSIONS))
    retold = {problem.task_id: problem for problem in problems if problem.code in OF_A_TRAIL}
    return [*rows, *retold.values(), *by_task.values(), *found]


def _fix_row(stores: Stores, problem: Problem, now: datetime, actor: str) -> Sequence[Fix]:
    before = stores.upkeep.row(problem)
    if (before is None) != (problem.code in MAKING) or stores.upkeep.fix(problem, now) == 0:
        return []
    fix = compared(problem, before, stores.upkeep.row(problem))
    # What belongs to no task is told in the trail of the queue itself.
    tell(stores, fix, problem.task_id or "", actor, now)
    return [fix]


def _fix_memory(stores: Stores, problem: Problem, now: datetime, actor: str) -> Sequence[Fix]:
    before = stores.upkeep.row(problem)
    if before is None or not make_again(stores, problem, before, now):
        return []
    fix = compared(problem, before, stores.upkeep.row(problem))
    tell(stores, fix, trail.known(stores, None), actor, now)
    return [fix]


def _fix_task(stores: Stores, problem: Problem, now: datetime, actor: str) -> Sequence[Fix]:
    assert problem.task_id is not None
    try:
        task = stores.tasks.get(problem.task_id)
    except (DatabaseCorruptError, ValueError):
        return []  # what can't be read can't be judged
    around = stores.upkeep.surroundings(problem.task_id)
    if task is None or around is None:
        return []
    fixed = fixed_task(task, around, now)
    if fixed == task:
        return []
    before = stores.upkeep.row(problem)
    assert before is not None
    stores.tasks.save(fixed, task.fence)
    fix = compared(problem, before, stores.upkeep.row(problem))
    judged = {name: getattr(fixed, name) for name in JUDGED}
    tell(stores, fix, task.id, actor, now, **judged | trail.changes(task, fixed))
    if task.status is TaskStatus.RUNNING and fixed.status is not TaskStatus.RUNNING:
        return [fix, *_end_attempt(stores, task, now, actor)]
    return [fix]


def fixed_task(task: Task, around: Surroundings, now: datetime) -> Task:
    """The task as it has to be among what surrounds it; the same one when nothing is wrong."""
    sound = replace(
        task,
        unmet_count=around.unmet,
        attempt_count=max(task.attempt_count, around.attempts),
        fence=max(task.fence, around.fence),
    )
    status = _status(sound, around, now)
    if status is not TaskStatus.RUNNING or not around.is_held:
        sound = replace(sound, worker_id=None, lease_until=None)
    if status is task.status:
        return sound if sound == task else replace(sound, last_updated_at=now)
    sound = replace(sound, status=status, fence=sound.fence + 1, last_updated_at=now)
    if status is TaskStatus.CANCELLED:
        why = f"cancelled because task {around.dead_end} had ended without success"
        return replace(sound, completed_at=now, cancelled_by=around.dead_end, error_message=why)
    return sound


def _status(task: Task, around: Surroundings, now: datetime) -> TaskStatus:
    if task.status is TaskStatus.RUNNING:
        is_lost = not around.is_held and not around.open_landings
        return waiting_status(task.unmet_count, task.not_before, now) if is_lost else task.status
    if task.status not in _WAITING:
        return task.status
    if around.dead_end is not None:
        return TaskStatus.CANCELLED
    if task.unmet_count > 0:
        return TaskStatus.BLOCKED
    is_stuck = task.status is TaskStatus.BLOCKED or _waits_for_nothing(task, around)
    return waiting_status(0, task.not_before, now) if is_stuck else task.status


def _waits_for_nothing(task: Task, around: Surroundings) -> bool:
    is_timeless = task.status is TaskStatus.PENDING and task.not_before is None
    return is_timeless and not around.open_reviews


def _end_attempt(stores: Stores, task: Task, now: datetime, actor: str) -> Sequence[Fix]:
    """The caretaker clears its worktree then, like that of any run whose worker was gone."""
    stores.workers.end_agents(task.id, now)
    fixes: list[Fix] = []
    for one in stores.attempts.of_task(task.id):
        if one.ended_at is None:
            key = f"{task.id}/{one.number}"
            text = f"attempt {key} has no end, but nobody runs it"
            unended = Problem(
                code="attempt_unended", text=text, table="attempts", key=key, task_id=task.id
            )
            fixes.extend(_fix_row(stores, unended, now, actor))
    return fixes


def compared(
    problem: Problem, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> Fix:
    """What fixing changed, by the row as it was and as it is."""
    if before is None or after is None:
        return Fix(problem=problem, before=before or {}, after=after)
    changed = [name for name in before if before[name] != after[name]]
    return Fix(
        problem=problem,
        before={name: before[name] for name in changed},
        after={name: after[name] for name in changed},
    )


def tell(stores: Stores, fix: Fix, task_id: str, actor: str, now: datetime, **changes: Any) -> None:
    """`changes` are those of the task itself; what else was fixed leaves the task as it is."""
    about = fix.problem
    told = {
        "code": about.code,
        "table": about.table,
        "key": about.key,
        "before": dict(fix.before),
        "after": None if fix.after is None else dict(fix.after),
    }
    action = Action.TASK_FIXED if about.table == "tasks" else Action.ROW_FIXED
    if about.table == "tasks" and fix.after is not None and not changes:
        changes = dict(fix.after)
    trail.record(stores, action, task_id, actor, now, fix=told, **changes)
