"""Durable operations a second through the real use cases, beside the raw limit of the same rows."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from abathur.bootstrap import new_id
from abathur.domain.plans import Plan, PlannedTask
from abathur.domain.tasks import NewTask
from abathur.infrastructure.database import Database
from abathur.services.claiming import Claim
from abathur.services.planning import apply_plan
from benchmarks import tape
from benchmarks.hands import PROMPT, WRITES_TO_LAND, Hands, now, open_queue
from benchmarks.results import Measured, Row, Size, p99, ratio, rounded

CALLERS: Final = (1, 16, 64, 256)
STEPS: Final = ("submit", "claim", "report + land", "cycle")
WRITES: Final[Mapping[str, int]] = {
    "submit": 1,
    "claim": 1,
    "report + land": WRITES_TO_LAND,
    "cycle": WRITES_TO_LAND + 2,
}
FEW: Final = 300
MOST: Final = 1000
"""Steps in a run; a single caller, who waits for the disk each time, does few."""
PLAN: Final = 1000
APART: Final = 96
"""Operations on connections of their own: more would take too long."""


@dataclass(frozen=True)
class Timed:
    seconds: float
    """For all."""
    waits: Sequence[float]
    """For each."""


def measure(folder: Path, size: Size) -> Measured:
    tapes = asyncio.run(_record(folder / "tape", size.pick(32, MOST)))
    plan = asyncio.run(_record_plan(folder / "plan-tape"))
    runs: list[dict[tuple[str, int], dict[str, float]]] = []
    for number in range(size.pick(1, 3)):
        place = folder / str(number)
        runs.append(_round(place, size, tapes, plan))
        shutil.rmtree(place)
    return Measured(
        name="queue",
        title=(
            "Writes a second, each durable before its answer, by so many callers at once; the "
            "last row is a plan of 1,000 tasks in one write, in tasks a second. `raw limit`: the "
            "same rows on bare apsw, a commit for each batch of as many writes as callers."
        ),
        rows=[_row(key, [run[key] for run in runs]) for key in runs[0]],
    )


def _row(key: tuple[str, int], runs: Sequence[Mapping[str, float]]) -> Row:
    step, callers = key
    middle = {name: median(run[name] for run in runs) for name in runs[0]}
    return {
        "step": step,
        "callers": callers,
        "ours/s": rounded(middle["ours"]),
        "p99 ms": rounded(middle["p99"] * 1000),
        "raw limit/s": rounded(middle["raw"]),
        "share of raw": ratio(middle["ours"], middle["raw"]),
        "connection per write/s": rounded(middle["apart"]) if middle["apart"] else None,
    }


# --- recording ----------------------------------------------------------------------------


async def _record(folder: Path, count: int) -> dict[str, list[tape.Operation]]:
    """What the steps write, done one after the other."""
    with tape.recording() as recorder:
        hands = Hands(await open_queue(folder))
        claims: list[Claim] = []

        async def claim() -> None:
            claims.append(await hands.claim())

        steps: dict[str, Callable[[], Awaitable[None]]] = {
            "submit": hands.submit,
            "claim": claim,
            "report + land": lambda: hands.land(claims.pop(0)),
            "cycle": hands.cycle,
        }
        tapes = {}
        for name in STEPS:
            recorder.taken()
            for _ in range(count):
                await steps[name]()
            tapes[name] = _whole(recorder.taken())
        await hands.db.close()
    return tapes


def _whole(operations: list[tape.Operation]) -> list[tape.Operation]:
    """As recorded; a tape of nothing would be no limit of ours."""
    if not all(operations):
        raise RuntimeError("a write was recorded without what it writes")
    return operations


async def _record_plan(folder: Path) -> list[tape.Operation]:
    with tape.recording() as recorder:
        db = await open_queue(folder)
        recorder.taken()
        await _apply_plan(db)
        operations = recorder.taken()
        await db.close()
    return operations


async def _apply_plan(db: Database) -> None:
    """Every task waits for the one before, ten in a row."""
    tasks = {}
    for number in range(PLAN):
        name = f"task-{number}"
        needs = () if number % 10 == 0 else (f"task-{number - 1}",)
        tasks[name] = PlannedTask(
            name=name, new=NewTask(prompt=PROMPT), needs=needs, line=1, needs_line=1
        )
    plan = Plan(name=new_id(), file="plan.yaml", tasks=tasks)
    await db.write(apply_plan, plan, new_id=new_id, now=now(), actor="cli:bench")


# --- measuring ----------------------------------------------------------------------------


def _round(
    place: Path,
    size: Size,
    tapes: Mapping[str, Sequence[tape.Operation]],
    plan: Sequence[tape.Operation],
) -> dict[tuple[str, int], dict[str, float]]:
    found: dict[tuple[str, int], dict[str, float]] = {}
    for callers in CALLERS:
        count = size.pick(32, FEW if callers == 1 else MOST)
        folder = place / str(callers)
        ours = asyncio.run(_ours(folder / "ours", callers, count))
        raw = _raw(folder / "raw", callers, {s: tapes[s][: count * WRITES[s]] for s in STEPS})
        apart = _apart(folder / "apart", callers, tapes["submit"][:APART])
        for step in STEPS:
            timed = ours[step]
            found[step, callers] = {
                "ours": count * WRITES[step] / timed.seconds,
                "p99": p99(timed.waits),
                "raw": raw[step],
                "apart": apart if step == "submit" else 0.0,
            }
    found["plan of 1,000", 1] = _plan_round(place / "plan", plan)
    return found


async def _ours(folder: Path, callers: int, count: int) -> dict[str, Timed]:
    hands = Hands(await open_queue(folder))
    claims: list[Claim] = []

    async def claim() -> None:
        claims.append(await hands.claim())

    timed = {
        "submit": await _timed(hands.submit, callers, count),
        "claim": await _timed(claim, callers, count),
        "report + land": await _timed(lambda: hands.land(claims.pop()), callers, count),
        "cycle": await _timed(hands.cycle, callers, count),
    }
    await hands.db.close()
    return timed


async def _timed(step: Callable[[], Awaitable[None]], callers: int, count: int) -> Timed:
    """`count` steps, shared by the callers, each of whom does one after the other."""
    waits: list[float] = []
    left = iter(range(count))

    async def call() -> None:
        for _ in left:
            begin = time.perf_counter()
            await step()
            waits.append(time.perf_counter() - begin)

    begin = time.perf_counter()
    await asyncio.gather(*(call() for _ in range(callers)))
    return Timed(time.perf_counter() - begin, waits)


def _raw(
    folder: Path, callers: int, tapes: Mapping[str, Sequence[tape.Operation]]
) -> dict[str, float]:
    """Writes a second; the steps one after the other on one file, as they were recorded."""
    file = _empty_file(folder)
    return {step: len(tapes[step]) / tape.play(file, tapes[step], callers) for step in STEPS}


def _apart(folder: Path, callers: int, operations: Sequence[tape.Operation]) -> float:
    file = _empty_file(folder)
    begin = time.perf_counter()
    tape.play_apart(file, operations, min(callers, len(operations)))
    return len(operations) / (time.perf_counter() - begin)


def _plan_round(folder: Path, operations: Sequence[tape.Operation]) -> dict[str, float]:
    ours = asyncio.run(_plan_seconds(folder / "ours"))
    file = _empty_file(folder / "raw")
    raw = tape.play(file, operations, 1)
    return {"ours": PLAN / ours, "p99": ours, "raw": PLAN / raw, "apart": 0.0}


async def _plan_seconds(folder: Path) -> float:
    db = await open_queue(folder)
    begin = time.perf_counter()
    await _apply_plan(db)
    seconds = time.perf_counter() - begin
    await db.close()
    return seconds


def _empty_file(folder: Path) -> Path:
    async def make() -> Path:
        db = await open_queue(folder)
        await db.close()
        return db.path

    return asyncio.run(make())
