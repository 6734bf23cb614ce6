"""How soon a waiter hears of a task when nothing else happens."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import IO, Final

from abathur.infrastructure.database import Database
from benchmarks.hands import Hands, open_queue
from benchmarks.results import Measured, Row, Size, p99, ratio, rounded

PAUSE_SECONDS: Final = 0.03
"""Between two tasks, so that everything is at rest again."""


def measure(folder: Path, size: Size) -> Measured:
    rounds = size.pick(10, 200)
    return Measured(
        name="wake",
        title=(
            "Milliseconds from the call that submits a task until a waiter runs; `write alone` is "
            "until the submitter has its durable answer."
        ),
        rows=asyncio.run(_rows(folder, rounds)),
    )


async def _rows(folder: Path, rounds: int) -> list[Row]:
    hands = Hands(await open_queue(folder))
    with _start_waiter(hands.db.path) as other:
        told = other.stdout
        assert told is not None
        await asyncio.to_thread(told.readline)
        writes: list[float] = []
        here: list[float] = []
        there: list[float] = []
        for _ in range(rounds):
            await asyncio.sleep(PAUSE_SECONDS)
            for place, value in zip((writes, here, there), await _once(hands, told), strict=True):
                place.append(value)
        other.terminate()
    await hands.db.close()
    return [
        _row("write alone", writes, writes),
        _row("waiter in this process", here, writes),
        _row("waiter in another process", there, writes),
    ]


def _row(name: str, values: Sequence[float], base: Sequence[float]) -> Row:
    return {
        "what": name,
        "p50 ms": rounded(median(values) * 1000),
        "p99 ms": rounded(p99(values) * 1000),
        "times the write": ratio(median(values), median(base)),
    }


async def _once(hands: Hands, told: IO[str]) -> tuple[float, float, float]:
    async with hands.db.wakeups() as wakeups:
        waiting = asyncio.create_task(_woken(wakeups.wait(60)))
        await asyncio.sleep(PAUSE_SECONDS)
        begin = time.monotonic()
        await hands.submit()
        written = time.monotonic()
        here = await waiting
        there = float(await asyncio.to_thread(told.readline))
    return written - begin, here - begin, there - begin


async def _woken(wait: asyncio.Future[bool] | object) -> float:
    assert asyncio.iscoroutine(wait)
    await wait
    return time.monotonic()


# --- the other process --------------------------------------------------------------------


def _start_waiter(file: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.wake", str(file)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).resolve().parents[1]
    )


async def _wait(file: str) -> None:
    """A line when ready, then one with the clock's time for each wake-up."""
    async with Database(file) as db, db.wakeups() as wakeups:
        print("ready", flush=True)
        while True:
            if await wakeups.wait(3600):
                print(time.monotonic(), flush=True)


if __name__ == "__main__":
    asyncio.run(_wait(sys.argv[1]))
