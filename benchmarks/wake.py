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

from abathur.ports.wakeups import Wakeups
from benchmarks.hands import Hands, database, open_queue
from benchmarks.results import Measured, Row, Size, p99, ratio, rounded
from benchmarks.stores import on_each

PAUSE_SECONDS: Final = 0.03
"""Between two tasks, so that everything is at rest again."""


def measure(folder: Path, size: Size) -> Measured:
    rounds = size.pick(10, 200)
    return Measured(
        name="wake",
        title=(
            "Milliseconds from the call that submits a task until a waiter runs, with everything "
            "at rest before; `write alone` is until the submitter has its durable answer."
        ),
        rows=on_each(folder, lambda store: asyncio.run(_rows(store.fresh(), rounds))),
    )


async def _rows(where: str, rounds: int) -> list[Row]:
    hands = Hands(await open_queue(where))
    with _start_waiter(where) as other:
        try:
            found = await _rounds(hands, other.stdout, rounds)
        finally:
            other.terminate()
    await hands.db.close()
    writes, here, there = zip(*found, strict=True)
    return [
        _row("write alone", writes, writes),
        _row("waiter in this process", here, writes),
        _row("waiter in another process", there, writes),
    ]


async def _rounds(
    hands: Hands, told: IO[str] | None, rounds: int
) -> list[tuple[float, float, float]]:
    assert told is not None
    await asyncio.to_thread(told.readline)
    found = []
    for _ in range(rounds):
        await asyncio.sleep(PAUSE_SECONDS)
        found.append(await _once(hands, told))
    return found


def _row(name: str, values: Sequence[float], writes: Sequence[float]) -> Row:
    after = [max(0.0, value - write) for value, write in zip(values, writes, strict=True)]
    return {
        "what": name,
        "p50 ms": rounded(median(values) * 1000),
        "p99 ms": rounded(p99(values) * 1000),
        "after the answer, p50 ms": rounded(median(after) * 1000),
        "after the answer, p99 ms": rounded(p99(after) * 1000),
        "times the write": ratio(median(values), median(writes)),
    }


async def _once(hands: Hands, told: IO[str]) -> tuple[float, float, float]:
    """Seconds from the call: until its answer, until a waiter here runs, and one elsewhere."""
    async with hands.db.wakeups() as wakeups:
        began: list[float] = []
        waiting = asyncio.create_task(_woken(wakeups, began))
        await asyncio.sleep(PAUSE_SECONDS)
        began.append(time.monotonic())
        await hands.submit()
        written = time.monotonic()
        here = await waiting
        there = await asyncio.to_thread(_told_since, told, began[0])
    return written - began[0], here - began[0], there - began[0]


async def _woken(wakeups: Wakeups, began: list[float]) -> float:
    # It may be told to look before anything was written.
    while True:
        await wakeups.wait(60)
        if began:
            return time.monotonic()


def _told_since(told: IO[str], began: float) -> float:
    while (at := float(told.readline())) < began:
        continue
    return at


# --- the other process --------------------------------------------------------------------


def _start_waiter(where: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.wake", where]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).resolve().parents[1]
    )


async def _wait(where: str) -> None:
    """A line when ready, then one with the clock's time for each wake-up."""
    async with database(where) as db, db.wakeups() as wakeups:
        print("ready", flush=True)
        while True:
            if await wakeups.wait(3600):
                print(time.monotonic(), flush=True)


if __name__ == "__main__":
    asyncio.run(_wait(sys.argv[1]))
