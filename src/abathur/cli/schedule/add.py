"""`abathur schedule add`: from options to a schedule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from abathur import bootstrap
from abathur.bootstrap import timing
from abathur.bootstrap.targets import resolve_target
from abathur.cli import context, output, shapes
from abathur.cli.context import json_option
from abathur.cli.schedule.named import in_zone, next_times
from abathur.cli.strangers import warn_of_strangers
from abathur.cli.task.described import Described, task_options
from abathur.domain.schedules import MissedPolicy, OverlapPolicy, Schedule, new_task

if TYPE_CHECKING:
    from abathur.ports.stores import Stores


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(Described):
    """The command line as it was typed."""

    name: str
    cron: str
    time_zone: str | None
    missed: str
    overlap: str


@click.command()
@click.argument("name", metavar="NAME")
@click.argument("cron", metavar="CRON")
@click.argument("prompt", metavar="PROMPT|-")
@click.option(
    "--time-zone", metavar="ZONE", help="Like Europe/Berlin.  [default: that of this machine]"
)
@click.option(
    "--missed",
    type=click.Choice([policy.value for policy in MissedPolicy]),
    default=MissedPolicy.SKIP.value,
    show_default=True,
    help="What times are worth at which no swarm ran: one task in all, or one each.",
)
@click.option(
    "--overlap",
    type=click.Choice([policy.value for policy in OverlapPolicy]),
    default=OverlapPolicy.SKIP.value,
    show_default=True,
    help="Whether a time passes while the last task isn't finished.",
)
@task_options
@json_option
def add(as_json: bool, **typed: Any) -> None:
    """Submit a task at each time of CRON: minute, hour, day, month and weekday.

    Like `30 2 * * 1-5` for half past two from Monday to Friday, `*/15 * * * *`, or `@daily`.
    Where a clock is put forward, a time that is left out comes right after; where one is put back,
    a time that is repeated comes once. `-` reads the prompt from stdin.
    """
    options = Options(**typed)
    made = context.run(_add, options)
    if as_json:
        output.write_json(shapes.schedule(made, next_times(made)))
        return
    output.write(made.name)
    if made.next_at is not None:
        output.say(f"Its first task is submitted at {in_zone(made.next_at, made)}.")


async def _add(options: Options) -> Schedule:
    values = {
        name: value
        for name, value in options.values().items()
        if value or name in ("prompt", "priority", "max_retries")
    }
    new_task(values)
    project = context.project()
    values["feature_branch"] = await resolve_target(project, options.target)
    loop = options.refined(project)
    if loop is not None:
        values["loop"] = loop
    if options.budget is not None:
        values["budget_usd"] = options.budget
    warn_of_strangers(project, [options.agent_type], [loop])
    schedule = Schedule(
        id=bootstrap.new_id(),
        name=options.name,
        cron=" ".join(options.cron.split()),
        time_zone=options.time_zone or timing.local_zone(),
        template=values,
        missed=MissedPolicy(options.missed),
        overlap=OverlapPolicy(options.overlap),
        next_at=None,
        last_at=None,
        last_task_id=None,
        paused_at=None,
        created_by=bootstrap.actor(),
        created_at=context.now(),
    )
    async with context.opened(project) as db:
        return await db.write(_add_resolved, schedule, options.prerequisite)


def _add_resolved(stores: Stores, schedule: Schedule, prerequisites: tuple[str, ...]) -> Schedule:
    from abathur.domain.records import changed
    from abathur.services import scheduling
    from abathur.services.reading import resolve_id

    if prerequisites:
        ids = [resolve_id(stores, text) for text in prerequisites]
        schedule = changed(schedule, template={**schedule.template, "prerequisites": ids})
    return scheduling.add(stores, schedule, timing.next_time)
