"""Tasks that come again: what is submitted at which times, and what becomes of missed ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from abathur.domain.errors import InvalidInputError
from abathur.domain.records import record
from abathur.domain.tasks import JsonObject, NewTask, TaskSource

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
MOST_CAUGHT_UP: Final = 100
"""Missed times for each of which a task is made at most, and up to which they are counted."""

Timetable = Callable[[str, str, datetime], datetime]
"""Cron text, time zone, moment -> the first due time after the moment, in UTC.

Raises `InvalidInputError` when there is none, or the text or the zone can't be used.
"""


class MissedPolicy(StrEnum):
    """What becomes of due times at which no swarm ran."""

    SKIP = "skip"
    """One task is made for all of them together."""
    ALL = "all"
    """One is made for each, up to `MOST_CAUGHT_UP`."""


class OverlapPolicy(StrEnum):
    """What becomes of a due time while the task of the one before isn't finished."""

    SKIP = "skip"
    ALLOW = "allow"


@record
class Schedule:
    id: str
    name: str
    cron: str
    time_zone: str
    """Of the IANA database, like `Europe/Berlin`."""
    template: JsonObject
    """Values of a `NewTask` by name, and `budget_usd`."""
    missed: MissedPolicy
    overlap: OverlapPolicy
    next_at: datetime | None
    """None while it is paused."""
    last_at: datetime | None
    """The due time of the last task."""
    last_task_id: str | None
    paused_at: datetime | None
    created_by: str
    created_at: datetime

    @property
    def budget_usd(self) -> float | None:
        return self.template.get("budget_usd")


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """What a schedule asks for at a moment."""

    times: tuple[datetime, ...]
    """Due times of which each is worth a task."""
    missed: int
    """Due times that nothing is made for; at `MOST_CAUGHT_UP` there may be more."""
    next_at: datetime
    """The first due time that is to come."""


def what_is_due(schedule: Schedule, now: datetime, timetable: Timetable) -> Due | None:
    """None before its time. Raises what the timetable raises."""
    first = schedule.next_at
    if first is None or first > now:
        return None
    over: list[datetime] = [first]
    following = timetable(schedule.cron, schedule.time_zone, first)
    while following <= now and len(over) < MOST_CAUGHT_UP:
        over.append(following)
        following = timetable(schedule.cron, schedule.time_zone, following)
    if following <= now:
        following = timetable(schedule.cron, schedule.time_zone, now)
    kept = len(over) if schedule.missed is MissedPolicy.ALL else 1
    return Due(times=tuple(over[:kept]), missed=len(over) - kept, next_at=following)


def task_of(schedule: Schedule, due_at: datetime | None) -> NewTask:
    """What is submitted for a due time, at most once; without one, as often as asked for.

    Raises `InvalidInputError` when the template can't be used.
    """
    key = None if due_at is None else f"schedule:{schedule.id}:{due_at:%Y-%m-%dT%H:%M:%SZ}"
    given = {name: value for name, value in schedule.template.items() if name != "budget_usd"}
    return new_task({**given, "created_by": f"schedule:{schedule.name}"}, idempotency_key=key)


def new_task(template: Mapping[str, Any], **more: Any) -> NewTask:
    """Raises `InvalidInputError`."""
    known = {field.name for field in fields(NewTask)}
    if unknown := sorted(template.keys() - known):
        raise InvalidInputError(f"template: `{unknown[0]}` is nothing that a task has")
    values = {**template, **more}
    for name in ("prerequisites", "touches"):
        if name in values:
            values[name] = tuple(values[name])
    if "source" in values:
        values["source"] = TaskSource(values["source"])
    try:
        return NewTask(**values)
    except TypeError as error:
        raise InvalidInputError(f"template: it doesn't describe a task: {error}") from error


def check_name(name: str) -> None:
    """Raises `InvalidInputError`."""
    if not NAME.fullmatch(name):
        raise InvalidInputError(
            f"name: `{name}` isn't a name; use up to 64 letters, digits, `-`, `_` and `.`"
        )


def check_policies(missed: MissedPolicy, overlap: OverlapPolicy) -> None:
    """Raises `InvalidInputError`."""
    if missed is MissedPolicy.ALL and overlap is OverlapPolicy.SKIP:
        raise InvalidInputError(
            "missed: `all` needs overlap `allow`, or each task would be skipped as the one before "
            "isn't finished"
        )
