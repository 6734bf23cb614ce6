"""Names of schedules on the command line, and times in their zones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from abathur.cli import context
from abathur.domain.wording import clock

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from abathur.domain.schedules import Schedule
    from abathur.ports.stores import Stores

SHOWN_TIMES = 5

F = TypeVar("F", bound=Callable[..., Any])


def name_argument(command: F) -> F:
    return click.argument("name", metavar="NAME", shell_complete=_complete)(command)


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """A shell shows errors in the middle of the line, so there are none."""
    from click.shell_completion import CompletionItem

    try:
        found = _all(ctx)
    except Exception:
        return []
    names = [one.name for one in found]
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def _all(ctx: click.Context) -> Sequence[Schedule]:
    from abathur import bootstrap

    options = ctx.find_root().params
    start: Path = options.get("project") or Path.cwd()
    project = bootstrap.load_project(start, database=options.get("database"))
    if bootstrap.is_missing(project.database):
        return []

    async def ask() -> Sequence[Schedule]:
        async with bootstrap.open_database(project) as db:
            return await db.read(every)

    return context.run(ask)


def every(stores: Stores) -> Sequence[Schedule]:
    return stores.schedules.all()


def in_zone(time: datetime, schedule: Schedule) -> str:
    """In the schedule's own zone, where this machine knows it."""
    from zoneinfo import ZoneInfo

    try:
        return clock(time, ZoneInfo(schedule.time_zone))
    except (KeyError, ValueError, OSError):
        return clock(time, time.tzinfo)


def next_times(schedule: Schedule) -> list[datetime]:
    """None while it is paused, or when this machine can't tell them."""
    from abathur.bootstrap import timing
    from abathur.domain.errors import InvalidInputError

    if schedule.next_at is None:
        return []
    try:
        more = timing.next_times(
            schedule.cron, schedule.time_zone, schedule.next_at, SHOWN_TIMES - 1
        )
    except InvalidInputError:
        more = []
    return [schedule.next_at, *more]
