"""Several processes on one file: all of their writes together, and whether any has to starve."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

from abathur.infrastructure.database import Database
from abathur.infrastructure.database.engines.sqlite import connect
from abathur.infrastructure.database.queries import parameters
from benchmarks import tape
from benchmarks.hands import Hands, open_queue
from benchmarks.results import Measured, Row, Size, ratio, rounded

CALLERS: Final = 16
WAYS: Final = ("ours, one caller each", f"ours, {CALLERS} callers each", "bare, busy timeout")


def measure(folder: Path, size: Size) -> Measured:
    seconds = size.pick(1, 3)
    counts = (4,) if size is Size.SMALL else (1, 4, 8)
    rounds = size.pick(1, 3)
    found: dict[tuple[int, str], list[list[dict[str, float]]]] = {}
    for number in range(rounds):
        for processes in counts:
            for way in WAYS:
                place = folder / f"{number}-{processes}-{WAYS.index(way)}"
                found.setdefault((processes, way), []).append(_run(place, processes, way, seconds))
    return Measured(
        name="processes",
        title=(
            "Tasks submitted a second by all processes together. `share` is that of the slowest "
            "process beside the fastest. `bare` writes the same rows with BEGIN IMMEDIATE."
        ),
        rows=[_row(*key, runs) for key, runs in found.items()],
    )


def _row(processes: int, way: str, runs: Sequence[Sequence[Mapping[str, float]]]) -> Row:
    rates = [[one["operations"] / one["seconds"] for one in run] for run in runs]
    return {
        "processes": processes,
        "way": way,
        "writes/s": rounded(median(sum(rate) for rate in rates)),
        "longest wait ms": rounded(median(max(o["longest"] for o in run) for run in runs) * 1000),
        "share": ratio(median(min(rate) / max(rate) for rate in rates), 1),
    }


def _run(folder: Path, processes: int, way: str, seconds: int) -> list[dict[str, float]]:
    async def make() -> Path:
        db = await open_queue(folder)
        await db.close()
        return db.path

    file = asyncio.run(make())
    # Late enough that all of them are up.
    begin = time.monotonic() + 0.5 + 0.3 * processes
    arguments = [str(file), way, str(begin), str(seconds)]
    children = [_start(arguments) for _ in range(processes)]
    return [json.loads(child.communicate()[0]) for child in children]


def _start(arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.processes", *arguments],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).resolve().parents[1],
    )


# --- a child ------------------------------------------------------------------------------


async def _ours(file: str, callers: int, begin: float, end: float) -> list[float]:
    waits: list[float] = []
    async with Database(file) as db:
        hands = Hands(db)
        await asyncio.sleep(begin - time.monotonic())

        async def call() -> None:
            while (at := time.monotonic()) < end:
                await hands.submit()
                waits.append(time.monotonic() - at)

        await asyncio.gather(*(call() for _ in range(callers)))
    return waits


def _bare(file: str, begin: float, end: float) -> list[float]:
    """One writer that polls for its turn, as SQLite does by itself."""
    statements = asyncio.run(_one_submit())
    connection = connect(file, busy_timeout=tape.BUSY_TIMEOUT)
    connection.execute("PRAGMA wal_autocheckpoint = 1000")
    waits: list[float] = []
    time.sleep(max(0.0, begin - time.monotonic()))
    while (at := time.monotonic()) < end:
        tape.commit(connection, [_renamed(statements, f"{at}-{id(waits)}-{len(waits)}")])
        waits.append(time.monotonic() - at)
    connection.close()
    return waits


async def _one_submit() -> tape.Operation:
    with tape.recording() as recorder:
        db = Database(":memory:")
        await db.initialize()
        recorder.taken()
        await Hands(db).submit()
        (operation,) = recorder.taken()
        await db.close()
    return operation


def _renamed(operation: tape.Operation, name: str) -> tape.Operation:
    """The same rows once more, of another task; entries of the trail are numbered by the file."""
    return [
        (
            sql,
            [
                _other(key, value, name)
                for key, value in zip(parameters(sql), bindings or (), strict=True)
            ],
        )
        for sql, bindings in operation
    ]


def _other(key: str, value: Any, name: str) -> Any:
    if key == "id" and isinstance(value, int):
        return None
    return name if key in ("id", "task_id") else value


def _child(file: str, way: str, begin_text: str, seconds: str) -> None:
    begin = float(begin_text)
    end = begin + float(seconds)
    if way == WAYS[2]:
        waits = _bare(file, begin, end)
    else:
        callers = 1 if way == WAYS[0] else CALLERS
        waits = asyncio.run(_ours(file, callers, begin, end))
    told = {"operations": len(waits), "longest": max(waits), "seconds": float(seconds)}
    print(json.dumps(told))


if __name__ == "__main__":
    _child(*sys.argv[1:])
