"""`abathur swarm`: agents at work until told to stop, what they do now, and telling them to."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from abathur import bootstrap
from abathur.bootstrap import Project, measuring, supervision, telemetry
from abathur.cli import output, trusting
from abathur.cli.context import app, json_option, now, run
from abathur.cli.exit_codes import BAD_ANSWER, INTERRUPTED, OK
from abathur.cli.live_view import View, make_view
from abathur.cli.metrics import address
from abathur.cli.queue_view import queue_lines
from abathur.cli.swarm_reload import reload
from abathur.cli.swarm_signals import signals
from abathur.cli.swarm_status import status
from abathur.cli.swarm_stop import stop
from abathur.cli.text import elapsed, iso, waiting, waiting_for_review
from abathur.domain.errors import DatabaseError
from abathur.services.queue_facts import Seen, seen
from abathur.services.reading import swarm_status

if TYPE_CHECKING:
    from abathur.ports.stores import UnitOfWork
    from abathur.services.queue_facts import QueueFacts
    from abathur.swarm.supervisor import Supervisor, SwarmResult

SECONDS_BETWEEN_COUNTS = 1.0
REASONS = {
    "idle": "nothing is left to do",
    "held": "everything that is left is held, until somebody lets it go or its time comes",
    "limit": "the task limit is reached",
    "signal": "stopped by a signal",
    "request": "stopped by `abathur swarm stop`",
}


@click.group()
def swarm() -> None:
    """Run agents until the tasks have landed."""


swarm.add_command(status)
swarm.add_command(stop)
swarm.add_command(reload)


@dataclass(frozen=True, slots=True)
class Options:
    until_idle: bool
    task_limit: int | None
    allow_dirty: bool
    metrics: tuple[str, int] | None
    as_json: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What came of it, and what is left for later."""

    result: SwarmResult
    began: datetime
    ended: datetime
    scheduled: int
    reviews: int
    next_due: datetime | None
    lost: int
    """Events that weren't shown."""
    queue: QueueFacts | None
    """What keeps ready tasks from being started; None when it can't be told."""


@swarm.command()
@click.option("--max-agents", type=click.IntRange(1, 256), help="How many agents at once.")
@click.option("--until-idle", is_flag=True, help="Stop when nothing is left to do.")
@click.option("--task-limit", type=click.IntRange(min=1), help="Stop after so many tasks.")
@click.option(
    "--metrics",
    metavar="[HOST:]PORT",
    callback=address,
    help="Serve figures for Prometheus there.",
)
@click.option("--allow-dirty", is_flag=True, help="Start although a target has changes.")
@json_option
def start(max_agents: int | None, **options: Any) -> int:
    """Start agents on the tasks that are ready, and land what they make.

    Runs until Ctrl-C: the first lets agents finish for a while, the second ends them at once.
    Nothing is lost: unfinished work is kept and its task goes back to the queue. A changed
    configuration is used at once, without stopping anything: see `abathur swarm reload`.

    `--until-idle` waits neither for tasks that are scheduled for later nor for answers to
    `abathur review list`, only for tasks that are about to be tried again. Its exit code is 1 when
    tasks have failed. With `--json` each line is
    an event, and the last one the result. `--metrics` takes a port, on this machine alone, or
    HOST:PORT.
    """
    overrides = {"swarm.max_agents": max_agents}
    project = bootstrap.load_project(app().start, overrides, database=app().database)
    chosen = Options(**options)
    trusting.ensure(project.root)
    ending = run(_start, project, chosen)
    if chosen.as_json:
        output.write_json(_plain(ending), line=True)
    else:
        _tell(ending)
    if chosen.until_idle and ending.result.stopped_by == "signal":
        return INTERRUPTED
    return BAD_ANSWER if chosen.until_idle and ending.result.failed else OK


def _tell(ending: Ending) -> None:
    output.write(_summary(ending))
    if ending.queue is not None:
        output.write_lines(list(queue_lines(ending.queue, ending.ended)))
    if ending.lost:
        output.say(f"{ending.lost} of the events were not shown; `abathur audit` has them all")
    if ending.result.failed:
        output.say("`abathur task list --status failed` shows what failed")
    if ending.reviews:
        output.say("`abathur review list` shows what waits for you")


def _summary(ending: Ending) -> str:
    result = ending.result
    counts = {"completed": result.completed, "failed": result.failed, "cancelled": result.cancelled}
    told = ", ".join(f"{number} {name}" for name, number in counts.items() if number)
    reason = REASONS.get(result.stopped_by, result.stopped_by)
    took = elapsed(ending.began, ending.ended)
    return f"{told or 'no task ended'} in {took}; {reason}{_later(ending)}"


def _later(ending: Ending) -> str:
    left = [waiting_for_review(ending.reviews)] if ending.reviews else []
    if ending.scheduled and ending.next_due is not None:
        left.append(waiting(ending.scheduled, ending.next_due))
    if not left:
        return ""
    now_only = " now" if ending.result.stopped_by == "idle" else ""
    return f"{now_only}; {'; '.join(left)}"


def _plain(ending: Ending) -> dict[str, Any]:
    result = ending.result
    return {
        "kind": "result",
        "completed": result.completed,
        "failed": result.failed,
        "cancelled": result.cancelled,
        "stopped_by": result.stopped_by,
        "seconds": round((ending.ended - ending.began).total_seconds(), 3),
        "scheduled": ending.scheduled,
        "reviews": ending.reviews,
        "next_due": iso(ending.next_due) if ending.next_due else None,
        "held": ending.queue.waiting if ending.queue else 0,
        "lost_events": ending.lost,
    }


async def _start(project: Project, options: Options) -> Ending:
    began = now()
    view = make_view(now, as_json=options.as_json)
    async with bootstrap.open_database(project) as db:
        going_by = supervision.configuration_of(project)
        with (
            supervision.logging_sink(project, view.sink, going_by) as logged,
            supervision.notifying_sink(project, logged, going_by) as called,
            measuring.measuring_sink(db, called, options.metrics, going_by) as measured,
        ):
            async with telemetry.tracing(project, db, measured) as (sink, into):
                supervisor = await supervision.build_supervisor(
                    project, db, sink, configuration=going_by, into=into
                )
                await supervisor.preflight(allow_dirty=options.allow_dirty)
                with view, signals(supervisor, view, project.settings.swarm.grace_seconds):
                    result = await _watched(supervisor, options, view, db)
        left = await _left(db, project)
    return Ending(
        result=result,
        began=began,
        ended=now(),
        scheduled=left.status.scheduled if left else 0,
        reviews=len(left.status.reviews) if left else 0,
        next_due=left.status.next_due if left else None,
        queue=left.queue if left else None,
        lost=view.lost,
    )


async def _left(db: UnitOfWork, project: Project) -> Seen | None:
    """What it did is worth telling also when the database has just failed."""
    try:
        return await db.read(seen, supervision.admission_rules(project), now())
    except DatabaseError:
        return None


async def _watched(
    supervisor: Supervisor, options: Options, view: View, db: UnitOfWork
) -> SwarmResult:
    watcher = asyncio.create_task(_keep_right(view, db))
    try:
        return await supervisor.run(until_idle=options.until_idle, task_limit=options.task_limit)
    finally:
        watcher.cancel()
        with suppress(asyncio.CancelledError):
            await watcher


async def _keep_right(view: View, db: UnitOfWork) -> None:
    while True:
        # A database that can't be read is the supervisor's to report.
        with suppress(DatabaseError):
            view.put_right(await db.read(swarm_status))
        await asyncio.sleep(SECONDS_BETWEEN_COUNTS)
