"""`abathur swarm reload`: have running swarms read their configuration again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from abathur import bootstrap
from abathur.bootstrap import Project
from abathur.cli import context, output, trusting
from abathur.cli.context import json_option, run
from abathur.cli.text import short

if TYPE_CHECKING:
    from abathur.domain.agents import Worker


@click.command()
@json_option
def reload(as_json: bool) -> None:
    """Have the swarms on this host read their configuration again, now.

    They do so by themselves when a file changes, within one heartbeat. Agents at work keep what
    they were started with. The configuration is checked here first; what is wrong with it, or what
    nobody has agreed to yet, changes nothing.
    """
    found = context.project()
    trusting.ensure(found.root)
    asked = run(_reload, found)
    if as_json:
        output.write_json({"workers": [worker.id for worker in asked]})
    elif not asked:
        output.write("no swarm is running on this host")
    else:
        output.write_lines(
            [f"asked worker {short(worker.id)} (process {worker.pid})" for worker in asked]
        )


async def _reload(found: Project) -> Sequence[Worker]:
    async with context.opened(found) as db:
        live = await db.read(lambda stores: stores.workers.live())
    return [worker for worker in live if bootstrap.tell_worker(worker, bootstrap.RELOAD)]
