"""`abathur swarm stop`: ask the workers to stop, and wait until they have."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import click

from abathur import bootstrap
from abathur.bootstrap import Project
from abathur.cli import output
from abathur.cli.context import json_option, now, project, queue, run
from abathur.cli.text import short
from abathur.domain.errors import ConfigError
from abathur.services.stopping import request_stop, still_live

if TYPE_CHECKING:
    from abathur.domain.agents import Worker
    from abathur.ports.stores import UnitOfWork

SECONDS_BETWEEN_LOOKS = 0.2


@click.command()
@click.option("--now", "at_once", is_flag=True, help="End running agents at once.")
@click.option("--no-wait", is_flag=True, help="Don't wait until they have stopped.")
@json_option
def stop(at_once: bool, no_wait: bool, as_json: bool) -> None:
    """Stop the swarm in order: no new task, and running agents get some time to finish.

    Work that doesn't finish is kept, and its task goes back to the queue.
    """
    asked = run(_stop, _project(), at_once, no_wait)
    if as_json:
        output.write_json({"workers": [worker.id for worker in asked], "stopped": not no_wait})
    elif not asked:
        output.write("no swarm is running")
    else:
        done = "asked to stop" if no_wait else "stopped"
        output.write_lines([f"{done} {_named(worker)}" for worker in asked])


def _project() -> Project:
    """A configuration that was broken meanwhile must not keep a swarm from being stopped."""
    try:
        return project()
    except ConfigError:
        return queue()


async def _stop(found: Project, at_once: bool, no_wait: bool) -> Sequence[Worker]:
    async with bootstrap.open_database(found) as db:
        asked = [one for one in await db.write(request_stop, now()) if is_there(one, now())]
        # One on another host can't be signalled; it stops in order.
        ended = {one.id for one in asked if at_once and bootstrap.end_worker(one)}
        if not no_wait:
            await _wait(db, asked, ended, found.settings.swarm.grace_seconds)
    return asked


def is_there(worker: Worker, at: datetime) -> bool:
    """What another host does can't be seen, only whether it still renews its lease."""
    is_alive = bootstrap.worker_is_alive(worker)
    return worker.lease_until > at if is_alive is None else is_alive


async def _wait(
    db: UnitOfWork, asked: Sequence[Worker], ended: Collection[str], grace_seconds: float
) -> None:
    for worker in asked:
        in_order = f"get {grace_seconds:g} s to finish"
        rest = "are ended at once" if worker.id in ended else in_order
        output.say(f"waiting for {_named(worker)}; its agents {rest}")
    ids = {worker.id for worker in asked}
    while True:
        live = await db.read(still_live)
        if not any(one.id in ids and is_there(one, now()) for one in live):
            return
        await asyncio.sleep(SECONDS_BETWEEN_LOOKS)


def _named(worker: Worker) -> str:
    return f"worker {short(worker.id)} (process {worker.pid})"
