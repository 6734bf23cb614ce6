"""What a swarm costs while there is nothing to do."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil

from benchmarks.places import make_project
from benchmarks.results import Measured, Size, rounded
from benchmarks.swarm import settings

WARM_SECONDS: Final = 3
CODE: Final = """
import asyncio, pathlib, sys
from abathur import bootstrap
from abathur.bootstrap.supervision import build_supervisor

async def main():
    project = bootstrap.load_project(pathlib.Path(sys.argv[1]), env={})
    async with bootstrap.open_database(project) as db:
        supervisor = await build_supervisor(project, db, lambda event: None, is_own=True)
        asyncio.get_running_loop().add_signal_handler(15, supervisor.stop)
        await supervisor.run()

asyncio.run(main())
"""


def measure(folder: Path, size: Size) -> Measured:
    root = make_project(folder / "project", settings(4))
    seconds = size.pick(2, 10)
    with running_swarm(root) as process:
        time.sleep(WARM_SECONDS)
        begin, switches = _cpu_seconds(process), process.num_ctx_switches().voluntary
        time.sleep(seconds)
        used = _cpu_seconds(process) - begin
        woken = process.num_ctx_switches().voluntary - switches
    row = {
        "CPU share of a core, %": rounded(used / seconds * 100),
        "wanted, %": 1,
        "wake-ups a second": rounded(woken / seconds),
    }
    return Measured(name="idle", title=f"A swarm with an empty queue, {seconds} s.", rows=[row])


@contextmanager
def running_swarm(root: Path) -> Iterator[psutil.Popen]:
    process = psutil.Popen([sys.executable, "-c", CODE, str(root)], stdin=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def _cpu_seconds(process: psutil.Popen) -> float:
    """Of the swarm and all it has started."""
    every = [process, *process.children(recursive=True)]
    times = [each.cpu_times() for each in every]
    return float(sum(one.user + one.system for one in times))
