"""`abathur swarm`: agents at work until told to stop, what they do now, and telling them to."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import click

from abathur import bootstrap
from abathur.bootstrap import Project
from abathur.cli import output
from abathur.cli.context import app, now, run
from abathur.cli.exit_codes import BAD_ANSWER, INTERRUPTED, OK
from abathur.cli.live_board import elapsed
from abathur.cli.live_view import View, make_view, terminal
from abathur.cli.swarm_status import status
from abathur.cli.swarm_stop import stop
from abathur.domain.errors import DatabaseError
from abathur.services.reading import swarm_status

if TYPE_CHECKING:
    from abathur.ports.stores import UnitOfWork
    from abathur.swarm.supervisor import Supervisor, SwarmResult

SECONDS_BETWEEN_COUNTS = 1.0
REASONS = {
    "idle": "nothing is left to do",
    "limit": "the task limit is reached",
    "signal": "stopped by a signal",
    "request": "stopped by `abathur swarm stop`",
}


@click.group()
def swarm() -> None:
    """Run agents until the tasks have landed."""


swarm.add_command(status)
swarm.add_command(stop)


@dataclass(frozen=True, slots=True)
class Options:
    until_idle: bool
    task_limit: int | None
    allow_dirty: bool


@swarm.command()
@click.option("--max-agents", type=click.IntRange(1, 256), help="How many agents at once.")
@click.option("--until-idle", is_flag=True, help="Stop when nothing is left to do.")
@click.option("--task-limit", type=click.IntRange(min=1), help="Stop after so many tasks.")
@click.option("--allow-dirty", is_flag=True, help="Start although a target has changes.")
def start(
    max_agents: int | None, until_idle: bool, task_limit: int | None, allow_dirty: bool
) -> int:
    """Start agents on the tasks that are ready, and land what they make.

    Runs until Ctrl-C: the first lets agents finish for a while, the second ends them at once.
    Nothing is lost: unfinished work is kept and its task goes back to the queue. With
    `--until-idle` the exit code is 1 when tasks have failed.
    """
    overrides = {"swarm.max_agents": max_agents}
    project = bootstrap.load_project(app().start, overrides, database=app().database)
    began = now()
    result = run(_start, project, Options(until_idle, task_limit, allow_dirty))
    output.write(_summary(result, began))
    if result.failed:
        output.say("`abathur task list --status failed` shows what failed")
    if until_idle and result.stopped_by == "signal":
        return INTERRUPTED
    return BAD_ANSWER if until_idle and result.failed else OK


def _summary(result: SwarmResult, began: datetime) -> str:
    counts = {"completed": result.completed, "failed": result.failed, "cancelled": result.cancelled}
    told = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    reason = REASONS.get(result.stopped_by, result.stopped_by)
    return f"{told or 'no task ended'} in {elapsed(began, now())}; {reason}"


async def _start(project: Project, options: Options) -> SwarmResult:
    view = make_view(terminal(), now)
    async with bootstrap.open_database(project) as db:
        supervisor = await bootstrap.build_supervisor(project, db, view.sink)
        await supervisor.preflight(allow_dirty=options.allow_dirty)
        with view, _signals(supervisor, view, project.settings.swarm.grace_seconds):
            result = await _watched(supervisor, options, view, db)
    if view.lost:
        output.say(f"{view.lost} of the events were not shown; `abathur audit` has them all")
    return result


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


@contextmanager
def _signals(supervisor: Supervisor, view: View, grace_seconds: float) -> Iterator[None]:
    """The first signal begins an orderly stop, each further one stops at once."""
    loop = asyncio.get_running_loop()
    seen = 0

    def on_signal() -> None:
        nonlocal seen
        seen += 1
        supervisor.stop(now=seen > 1)
        rest = f"running agents get {grace_seconds:g} s; again to stop at once"
        view.say("stopping at once" if seen > 1 else f"stopping: {rest}")

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
