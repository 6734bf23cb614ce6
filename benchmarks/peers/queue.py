"""What the comparison asks of a queue: steps for many callers, and a worker of its own."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock
from typing import ClassVar, Final, TypeAlias, cast

from benchmarks.results import Cell

Step: TypeAlias = Callable[[], int | Awaitable[int]]
"""One call of the library; hands back for how many jobs it was. Zero: there are no more."""
Blocking: TypeAlias = Callable[[], int]

PATIENCE: Final = 30.0
"""Seconds for a worker to finish what was queued."""


class NotOffered(Exception):
    """The library has no call of its own for this; says what there is instead."""


@dataclass
class Spread:
    """What all callers did together."""

    jobs: int = 0
    seconds: float = 0.0
    waits: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return self.jobs / self.seconds if self.seconds else 0.0


class Queue:
    """One library on one store. Its callers are coroutines where its API is, threads otherwise."""

    name: ClassVar[str]
    packages: ClassVar[tuple[str, ...]]
    """Whose versions matter; the first is the library's."""
    gives: ClassVar[str]
    """What it promises less than a lease, a fence and an audit row, or nothing."""

    def __init__(self) -> None:
        self._ran = 0
        self._goal = 0
        self._lock = Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reached = asyncio.Event()
        self.heard: Callable[[], None] | None = None
        """Called by every job that runs, for a waiter."""

    async def open(self, where: str, callers: int) -> None:
        """Create what is needed on an empty store, or find it there."""
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError

    async def settings(self) -> dict[str, Cell]:
        """How durable it is, read back from a connection of the library's own."""
        raise NotImplementedError

    def enqueue(self) -> int | Awaitable[int]:
        raise NotImplementedError

    def enqueue_many(self, count: int) -> int | Awaitable[int]:
        raise NotOffered("no call that takes many")

    def claim(self) -> int | Awaitable[int]:
        raise NotOffered("only inside its worker")

    def complete(self) -> int | Awaitable[int]:
        raise NotOffered("only inside its worker")

    async def start_worker(self, slots: int) -> None:
        """Return when it is ready for jobs."""
        raise NotOffered("no worker")

    async def stop_worker(self) -> None:
        raise NotOffered("no worker")

    async def unfinished(self) -> int:
        """Jobs that ran but whose end isn't stored yet."""
        return 0

    def ran(self) -> None:
        """Every job calls this, on any thread."""
        if self.heard is not None:
            self.heard()
        self.count()

    def count(self) -> None:
        """One more job is over."""
        with self._lock:
            self._ran += 1
            reached = self._goal and self._ran >= self._goal
        if reached and self._loop is not None:
            self._loop.call_soon_threadsafe(self._reached.set)

    async def cycle(self, count: int, callers: int) -> float:
        """Seconds from the first enqueue until the worker has stored the end of the last job."""
        self._loop, self._goal, self._ran = asyncio.get_running_loop(), count, 0
        self._reached.clear()
        await self.start_worker(callers)
        try:
            begin = time.perf_counter()
            async with asyncio.timeout(PATIENCE):
                await spread(self.enqueue, callers, count=count)
                await self._reached.wait()
                while await self.unfinished():  # noqa: ASYNC110 - only the store knows
                    await asyncio.sleep(0.002)
            return time.perf_counter() - begin
        finally:
            await self.stop_worker()


class PullQueue(Queue):
    """A queue without a worker: each caller enqueues, takes and acknowledges in turn."""

    def enqueue(self) -> int:
        raise NotImplementedError

    def claim(self) -> int:
        raise NotImplementedError

    def complete(self) -> int:
        raise NotImplementedError

    async def cycle(self, count: int, callers: int) -> float:
        def once() -> int:
            self.enqueue()
            self.claim()
            return self.complete()

        return (await spread(once, callers, count=count)).seconds


async def spread(
    step: Step, callers: int, *, count: int = 1_000_000, seconds: float = 3600.0
) -> Spread:
    """Every caller repeats the step until `count` calls were begun or the time is over."""
    done = Spread()
    begin = time.perf_counter()
    turns = Turns(count, begin + seconds)
    if inspect.iscoroutinefunction(step):
        await asyncio.gather(*(_call_async(step, turns, done) for _ in range(callers)))
    else:
        await asyncio.to_thread(_call_in_threads, cast("Blocking", step), callers, turns, done)
    done.seconds = time.perf_counter() - begin
    return done


class Turns:
    """Numbers until the time is over; unlike a generator, several threads may share it."""

    def __init__(self, count: int, end: float) -> None:
        self._numbers = iter(range(count))
        self._end = end

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        if time.perf_counter() >= self._end:
            raise StopIteration
        return next(self._numbers)


async def _call_async(step: Callable[[], Awaitable[int]], turns: Turns, done: Spread) -> None:
    for _ in turns:
        begin = time.perf_counter()
        jobs = await step()
        if not jobs:
            return
        done.waits.append(time.perf_counter() - begin)
        done.jobs += jobs


def _call_in_threads(step: Blocking, callers: int, turns: Turns, done: Spread) -> None:
    lock = Lock()

    def call(_: int) -> None:
        waits: list[float] = []
        total = 0
        for _turn in turns:
            begin = time.perf_counter()
            jobs = step()
            if not jobs:
                break
            waits.append(time.perf_counter() - begin)
            total += jobs
        with lock:
            done.waits += waits
            done.jobs += total

    with ThreadPoolExecutor(callers) as pool:
        list(pool.map(call, range(callers)))
