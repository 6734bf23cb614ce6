"""One turn of one queue: how fast it is at each step, on a store of its own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Final

from benchmarks.peers.queue import NotOffered, Queue, Step, spread
from benchmarks.results import p99

STEPS: Final = ("enqueue", "batch enqueue", "claim", "complete", "cycle")
BATCH: Final = 1000
MOST: Final = 2000
"""Calls of a step in a turn, at most."""
SPAN: Final = 2.0
"""A cycle gets as many jobs as are enqueued in this many times the seconds of a step."""


@dataclass(frozen=True)
class Task:
    """What the parent asks for."""

    places: tuple[str, str]
    """Empty stores: for the steps, and for the cycle."""
    callers: int
    seconds: float
    """For each step."""
    fewest: int
    """Jobs of a cycle, so that a pause between two polls isn't all that is measured."""


@dataclass
class Told:
    """What a turn hands back: jobs a second and p99 seconds by step, and why one is missing."""

    rates: dict[str, float]
    waits: dict[str, float]
    missing: dict[str, str]
    settings: dict[str, object]


async def turn(queue: Queue, task: Task) -> Told:
    told = Told({}, {}, {}, {})
    await queue.open(task.places[0], task.callers)
    try:
        told.settings = dict(await queue.settings())
        await _measure(told, "enqueue", queue.enqueue, task.callers, task)
        await _measure(told, "claim", queue.claim, task.callers, task)
        await _measure(told, "complete", queue.complete, task.callers, task)
        # The last, as some claim slowly with many jobs waiting.
        await _measure(told, "batch enqueue", partial(queue.enqueue_many, BATCH), 1, task)
    finally:
        await queue.close()
    await _measure_cycle(queue, task, told)
    return told


async def _measure(told: Told, name: str, step: Step, callers: int, task: Task) -> None:
    try:
        done = await spread(step, callers, count=MOST, seconds=task.seconds)
    except NotOffered as reason:
        told.missing[name] = str(reason)
        return
    told.rates[name] = done.rate
    told.waits[name] = p99(done.waits)


async def _measure_cycle(queue: Queue, task: Task, told: Told) -> None:
    count = min(MOST, max(task.fewest, int(told.rates["enqueue"] * SPAN * task.seconds)))
    await queue.open(task.places[1], task.callers)
    try:
        told.rates["cycle"] = count / await queue.cycle(count, task.callers)
    except NotOffered as reason:
        told.missing["cycle"] = str(reason)
    finally:
        await queue.close()
