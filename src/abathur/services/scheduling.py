"""Schedules: making them, and submitting their tasks when their time has come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from abathur.domain.audit import Action
from abathur.domain.errors import IllegalTransitionError, InvalidInputError, NotFoundError
from abathur.domain.records import changed
from abathur.domain.schedules import (
    Due,
    OverlapPolicy,
    Schedule,
    Timetable,
    check_name,
    check_policies,
    task_of,
    what_is_due,
)
from abathur.domain.tasks import NewTask, Task
from abathur.ports.stores import Stores
from abathur.services import trail
from abathur.services.budgeting import set_task_budget
from abathur.services.submitting import submit

NewId = Callable[[], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fired:
    """What came of a due time."""

    schedule: Schedule
    """As it is now."""
    tasks: Sequence[Task] = ()
    missed: int = 0
    """Due times that nothing was made for, as nobody was there."""
    problem: str = ""
    """Why not all that was due was submitted, for a person; empty when it was."""


def add(stores: Stores, schedule: Schedule, timetable: Timetable) -> Schedule:
    """Its first due time is the first after its creation. Raises `InvalidInputError`."""
    check_name(schedule.name)
    check_policies(schedule.missed, schedule.overlap)
    if stores.schedules.by_name(schedule.name) is not None:
        raise InvalidInputError(
            f"schedule `{schedule.name}` is there already; remove it first, or take another name"
        )
    task_of(schedule, None)
    now = schedule.created_at
    schedule = changed(schedule, next_at=timetable(schedule.cron, schedule.time_zone, now))
    stores.schedules.insert(schedule)
    told = {name: value for name, value in vars(schedule).items() if value is not None}
    _tell(stores, Action.SCHEDULE_ADDED, schedule, schedule.created_by, now, **told)
    return schedule


def find(stores: Stores, name: str) -> Schedule:
    """Raises `NotFoundError`."""
    found = stores.schedules.by_name(name)
    if found is None:
        raise NotFoundError(
            f"no schedule has the name `{name}`; `abathur schedule list` shows those there are"
        )
    return found


def pause(stores: Stores, name: str, *, now: datetime, actor: str) -> Schedule:
    """Nothing is due until it is resumed. Raises `NotFoundError`, `IllegalTransitionError`."""
    found = find(stores, name)
    if found.paused_at is not None:
        raise IllegalTransitionError(f"schedule `{name}` is paused already")
    return _pause(stores, found, now, actor)


def _pause(stores: Stores, found: Schedule, now: datetime, actor: str, **more: Any) -> Schedule:
    paused = changed(found, paused_at=now, next_at=None)
    stores.schedules.save(paused)
    _tell(stores, Action.SCHEDULE_PAUSED, paused, actor, now, **more)
    return paused


def resume(
    stores: Stores, name: str, timetable: Timetable, *, now: datetime, actor: str
) -> Schedule:
    """What would have been due meanwhile isn't made up for.

    Raises `NotFoundError`, `IllegalTransitionError`, `InvalidInputError`.
    """
    found = find(stores, name)
    if found.paused_at is None:
        raise IllegalTransitionError(f"schedule `{name}` isn't paused")
    resumed = changed(found, paused_at=None, next_at=timetable(found.cron, found.time_zone, now))
    stores.schedules.save(resumed)
    _tell(stores, Action.SCHEDULE_RESUMED, resumed, actor, now, next_at=resumed.next_at)
    return resumed


def remove(stores: Stores, name: str, *, now: datetime, actor: str) -> Schedule:
    """Its tasks stay. Raises `NotFoundError`."""
    found = find(stores, name)
    stores.schedules.delete(found.id)
    _tell(stores, Action.SCHEDULE_REMOVED, found, actor, now)
    return found


def run(stores: Stores, name: str, *, task_id: str, now: datetime, actor: str) -> Fired:
    """Submit its task now, whatever it waits for; its due times stay as they are.

    Raises `NotFoundError`, `InvalidInputError`.
    """
    found = find(stores, name)
    task = _submit(stores, found, task_of(found, None), task_id, now, actor)
    run_now = changed(found, last_task_id=task.id)
    stores.schedules.save(run_now)
    _tell(stores, Action.SCHEDULE_FIRED, run_now, actor, now, tasks=[task.id])
    return Fired(schedule=run_now, tasks=[task])


def fire(
    stores: Stores,
    schedule_id: str,
    timetable: Timetable,
    *,
    new_id: NewId,
    now: datetime,
    actor: str,
) -> Fired | None:
    """Submit what is due, and go on to the next due time; None when nothing is, any more.

    Whoever else does the same at that moment finds nothing due, and a due time that was submitted
    is known by the task's idempotency key. What can't be submitted is passed over and told.
    """
    found = stores.schedules.get(schedule_id)
    if found is None:
        return None
    try:
        due = what_is_due(found, now, timetable)
    except InvalidInputError as error:
        # Nobody can say when it is due next: a person has to look.
        problem = f"it is paused, as its next time can't be told: {error}"
        paused = _pause(stores, found, now, actor, problem=str(error))
        return Fired(schedule=paused, problem=problem)
    if due is None:
        return None
    fired = _submit_due(stores, found, due, new_id, now, actor)
    stores.schedules.save(fired.schedule)
    _tell(
        stores,
        Action.SCHEDULE_FIRED if fired.tasks else Action.SCHEDULE_SKIPPED,
        fired.schedule,
        actor,
        now,
        due_at=found.next_at,
        tasks=[task.id for task in fired.tasks],
        missed=due.missed,
        problem=fired.problem,
    )
    return fired


def _submit_due(
    stores: Stores, found: Schedule, due: Due, new_id: NewId, now: datetime, actor: str
) -> Fired:
    schedule = changed(found, next_at=due.next_at)
    tasks: list[Task] = []
    problem = ""
    for time in due.times:
        problem = _overlap(stores, schedule)
        if problem:
            break
        try:
            task = _submit(stores, schedule, task_of(schedule, time), new_id(), now, actor)
        except (InvalidInputError, NotFoundError) as error:
            problem = str(error)
            break
        tasks.append(task)
        schedule = changed(schedule, last_at=time, last_task_id=task.id)
    return Fired(schedule=schedule, tasks=tasks, missed=due.missed, problem=problem)


def _overlap(stores: Stores, schedule: Schedule) -> str:
    """Why nothing is submitted, as the task before isn't finished; empty when nothing is wrong."""
    if schedule.overlap is OverlapPolicy.ALLOW or schedule.last_task_id is None:
        return ""
    last = stores.tasks.get(schedule.last_task_id)
    if last is None or last.status.is_final:
        return ""
    return f"its last task {last.id} is still {last.status}"


def _submit(
    stores: Stores, schedule: Schedule, new: NewTask, task_id: str, now: datetime, actor: str
) -> Task:
    known = stores.tasks.by_key(new.idempotency_key) if new.idempotency_key else None
    if known is not None:
        return known
    done = submit(stores, new, task_id=task_id, now=now, actor=actor)
    if schedule.budget_usd is not None:
        set_task_budget(stores, done.task.id, schedule.budget_usd, now=now, actor=actor)
    return done.task


def _tell(
    stores: Stores, action: Action, schedule: Schedule, actor: str, now: datetime, **data: Any
) -> None:
    told = {"schedule": schedule.name, **data}
    trail.record(stores, action, "", actor, now, **told)
