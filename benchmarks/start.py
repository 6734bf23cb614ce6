"""How long a command takes from its start to its end, beside bare Python."""

from __future__ import annotations

import asyncio
import compileall
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

import abathur
from abathur.infrastructure.database import Database
from benchmarks.hands import fill
from benchmarks.places import make_project
from benchmarks.results import Measured, Row, Size, ratio, rounded

TASKS: Final = 1000
COMMANDS: Final[Mapping[str, Sequence[str]]] = {
    "python -c pass": ("-c", "pass"),
    'python -c "import click"': ("-c", "import click"),
    "abathur --help": ("-m", "abathur", "--help"),
    "abathur task list": ("-m", "abathur", "task", "list"),
    "abathur task list --json": ("-m", "abathur", "task", "list", "--json"),
}
WANTED_MS: Final = {"abathur --help": 150, "abathur task list": 300}


def measure(folder: Path, size: Size) -> Measured:
    compileall.compile_dir(str(Path(abathur.__file__).parent), quiet=2)
    root = make_project(folder / "project", {"default_runtime": "fake"})
    asyncio.run(_fill(root))
    return Measured(
        name="start",
        title=(
            f"Milliseconds from start to end of a command, {TASKS:,} tasks in the queue; the CPU "
            "time, a median too, depends less on what else runs."
        ),
        rows=_rows(_times(root, size.pick(3, 15))),
    )


async def _fill(root: Path) -> None:
    async with Database(root / ".abathur" / "abathur.db") as db:
        await db.write(fill, TASKS)


class Once(NamedTuple):
    """Milliseconds of the clock and of the processor."""

    wall: float
    cpu: float


def _times(root: Path, rounds: int) -> dict[str, list[Once]]:
    times: dict[str, list[Once]] = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        for name, args in COMMANDS.items():
            times[name].append(_run(root, args))
    return times


def _run(root: Path, args: Sequence[str]) -> Once:
    begin, used = time.perf_counter(), _used_by_children()
    subprocess.run([sys.executable, *args], cwd=root, stdout=subprocess.DEVNULL, check=True)
    return Once((time.perf_counter() - begin) * 1000, (_used_by_children() - used) * 1000)


def _used_by_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _rows(times: Mapping[str, Sequence[Once]]) -> list[Row]:
    bare = median(once.cpu for once in times["python -c pass"])
    return [_row(name, values, bare) for name, values in times.items()]


def _row(name: str, values: Sequence[Once], bare: float) -> Row:
    cpu = median(once.cpu for once in values)
    return {
        "command": name,
        "min ms": rounded(min(once.wall for once in values)),
        "median ms": rounded(median(once.wall for once in values)),
        "CPU ms": rounded(cpu),
        "times bare Python": ratio(cpu, bare),
        "wanted ms": WANTED_MS.get(name),
    }
