"""A swarm as a process of its own, for tests that kill it. Prints one line per event.

Arguments: the project's folder, then `until-idle` or `forever`.
"""

import asyncio
import signal
import sys
from pathlib import Path

from abathur import bootstrap
from abathur.bootstrap import supervision
from abathur.swarm.events import SwarmEvent


def show(event: SwarmEvent) -> None:
    sys.stdout.write(f"{event.kind} {event.task_id or '-'} {event.text}\n")
    sys.stdout.flush()


async def main(folder: str, mode: str) -> None:
    project = bootstrap.load_project(Path(folder))
    async with bootstrap.open_database(project) as db:
        supervisor = await supervision.build_supervisor(project, db, show)
        presses = iter((False, True, True, True))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, lambda: supervisor.stop(now=next(presses)))
        await supervisor.run(until_idle=mode == "until-idle")


asyncio.run(main(*sys.argv[1:]))
