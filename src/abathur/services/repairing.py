"""Finding where the queue contradicts itself, and mending it.

What is mended is worked out afresh in the transaction that writes it, so a swarm may go on
meanwhile; each mended task gets an audit entry in that transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from abathur.domain.audit import Action
from abathur.domain.errors import AbathurError, DatabaseCorruptError
from abathur.domain.problems import OF_A_ROW, OF_A_TASK, SHOWN, Problem, Repair
from abathur.domain.tasks import Task, TaskStatus
from abathur.ports.stores import Stores
from abathur.ports.upkeep import Surroundings
from abathur.services import trail
from abathur.services.submitting import waiting_status

ROUNDS: Final = 1000
"""Mending one row may show what is wrong with the next one: a chain of tasks takes one round each.
"""

JUDGED: Final = (
    "unmet_count",
    "attempt_count",
    "fence",
    "worker_id",
    "completed_at",
    "cancelled_by",
    "error_message",
)
"""Told of a mended task even where they stay: the trail may know other values than the broken row.
"""

_WAITING: Final = frozenset({TaskStatus.PENDING, TaskStatus.BLOCKED, TaskStatus.READY})


class Rehearsed(AbathurError):
    """Raised to undo a rehearsal. `repairs` are what would have been mended."""

    def __init__(self, repairs: Sequence[Repair]) -> None:
        super().__init__("this was only a rehearsal")
        self.repairs = tuple(repairs)


def find_problems(stores: Stores, limit: int = SHOWN) -> Sequence[Problem]:
    """Where the rows contradict each other, at most `limit` of each kind."""
    return stores.upkeep.problems(limit)


def rehearse(stores: Stores, *, now: datetime, actor: str) -> None:
    """Mend everything, then raise `Rehearsed`, which undoes it."""
    repairs: list[Repair] = []
    for _ in range(ROUNDS):
        done = mend(stores, find_problems(stores), now=now, actor=actor)
        if not done:
            break
        repairs += done
    raise Rehearsed(repairs)


def mend(
    stores: Stores, problems: Sequence[Problem], *, now: datetime, actor: str
) -> Sequence[Repair]:
    """Mend those of the problems that can be mended and are still there."""
    repairs: list[Repair] = []
    for problem in in_order(problems):
        work = _mend_row if problem.code in OF_A_ROW else _mend_task
        repairs += work(stores, problem, now, actor)
    return repairs


def in_order(problems: Sequence[Problem]) -> Sequence[Problem]:
    """Those that can be mended, in an order in which that can be done and nothing goes untold.

    Rows first: a task that points to nothing can't be written. An attempt takes along what belongs
    to it, so it goes when that is gone.
    """
    rows = [problem for problem in problems if problem.code in OF_A_ROW]
    rows.sort(key=lambda problem: problem.code == "orphan_attempt")
    by_task = {problem.task_id: problem for problem in problems if problem.code in OF_A_TASK}
    return [*rows, *by_task.values()]


def _mend_row(stores: Stores, problem: Problem, now: datetime, actor: str) -> Sequence[Repair]:
    before = stores.upkeep.row(problem)
    if before is None or stores.upkeep.fix(problem, now) == 0:
        return []
    repair = _repair(problem, before, stores.upkeep.row(problem))
    if problem.task_id is not None:
        _tell(stores, repair, problem.task_id, actor, now)
    return [repair]


def _mend_task(stores: Stores, problem: Problem, now: datetime, actor: str) -> Sequence[Repair]:
    assert problem.task_id is not None
    try:
        task = stores.tasks.get(problem.task_id)
    except (DatabaseCorruptError, ValueError):
        return []  # what can't be read can't be judged
    around = stores.upkeep.surroundings(problem.task_id)
    if task is None or around is None:
        return []
    mended = mended_task(task, around, now)
    if mended == task:
        return []
    before = stores.upkeep.row(problem)
    assert before is not None
    stores.tasks.save(mended, task.fence)
    repair = _repair(problem, before, stores.upkeep.row(problem))
    judged = {name: getattr(mended, name) for name in JUDGED}
    _tell(stores, repair, task.id, actor, now, **judged | trail.changes(task, mended))
    if task.status is TaskStatus.RUNNING and mended.status is not TaskStatus.RUNNING:
        return [repair, *_end_attempt(stores, task, now, actor)]
    return [repair]


def mended_task(task: Task, around: Surroundings, now: datetime) -> Task:
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
    is_blocked = task.status is TaskStatus.BLOCKED
    return waiting_status(0, task.not_before, now) if is_blocked else task.status


def _end_attempt(stores: Stores, task: Task, now: datetime, actor: str) -> Sequence[Repair]:
    """The caretaker clears its worktree then, like that of any run whose worker was gone."""
    stores.workers.end_agents(task.id, now)
    key = f"{task.id}/{task.attempt_count}"
    text = f"attempt {key} has no end, but nobody runs it"
    unended = Problem(code="attempt_unended", text=text, table="attempts", key=key, task_id=task.id)
    return _mend_row(stores, unended, now, actor)


def _repair(problem: Problem, before: Mapping[str, Any], after: Mapping[str, Any] | None) -> Repair:
    if after is None:
        return Repair(problem=problem, before=before, after=None)
    changed = [name for name in before if before[name] != after[name]]
    return Repair(
        problem=problem,
        before={name: before[name] for name in changed},
        after={name: after[name] for name in changed},
    )


def _tell(
    stores: Stores, repair: Repair, task_id: str, actor: str, now: datetime, **changes: Any
) -> None:
    """`changes` are those of the task itself; what else was mended leaves the task as it is."""
    about = repair.problem
    told = {
        "code": about.code,
        "table": about.table,
        "key": about.key,
        "before": dict(repair.before),
        "after": None if repair.after is None else dict(repair.after),
    }
    action = Action.TASK_REPAIRED if about.table == "tasks" else Action.ROW_REPAIRED
    if about.table == "tasks" and repair.after is not None and not changes:
        changes = dict(repair.after)
    trail.record(stores, action, task_id, actor, now, repair=told, **changes)
