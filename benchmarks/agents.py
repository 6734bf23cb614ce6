"""What the supervisor itself takes while a hundred agents run."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Final

import psutil

from abathur import bootstrap
from abathur.domain.tasks import NewTask
from abathur.infrastructure.database import Database
from abathur.services import submitting
from benchmarks.hands import now
from benchmarks.idle import running_swarm
from benchmarks.places import make_project
from benchmarks.results import Measured, Row, Size, rounded

WAIT_SECONDS: Final = 300
SCRIPT: Final = "while :; do echo still at work on it; sleep 1; done"
"""A line a second is what a busy coding agent says."""


def measure(folder: Path, size: Size) -> Measured:
    many, seconds = size.pick(4, 100), size.pick(2, 20)
    return Measured(
        name="agents",
        title=(
            "Memory and processor time of the supervisor alone, while agents run that say a line "
            "a second."
        ),
        rows=[_row(folder / f"{count}", count, seconds) for count in (1, many)],
    )


def _row(folder: Path, count: int, seconds: int) -> Row:
    command = {"argv": ["sh", "-c", SCRIPT]}
    swarm = {"max_agents": count, "grace_seconds": 0.2}
    root = make_project(
        folder, {"default_runtime": "command", "runtimes": {"command": command}, "swarm": swarm}
    )
    asyncio.run(_submit(root, count))
    with running_swarm(root) as process:
        asyncio.run(_all_run(root, count))
        begin = _cpu_seconds(process)
        time.sleep(seconds)
        used = _cpu_seconds(process) - begin
        memory = process.memory_info().rss
    return {
        "agents at once": count,
        "memory MB": rounded(memory / 1e6),
        "wanted MB": 200,
        "CPU share of a core, %": rounded(used / seconds * 100),
        "wanted, %": 15,
    }


async def _submit(root: Path, count: int) -> None:
    project = bootstrap.load_project(root, env={})
    async with bootstrap.open_database(project) as db:
        for number in range(count):
            new = NewTask(prompt=f"Make {number}")
            await db.write(
                submitting.submit, new, task_id=bootstrap.new_id(), now=now(), actor="cli:bench"
            )


async def _all_run(root: Path, count: int) -> None:
    project = bootstrap.load_project(root, env={})
    async with (
        asyncio.timeout(WAIT_SECONDS),
        bootstrap.open_database(project) as db,
        db.wakeups() as wakeups,
    ):
        while await _speaking(db) < count:
            await wakeups.wait(1)


async def _speaking(db: Database) -> int:
    """How many agents have said something."""
    said = await db.query("SELECT count(DISTINCT task_id) AS many FROM run_events")
    return int(str(said[0]["many"]))


def _cpu_seconds(process: psutil.Popen) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
