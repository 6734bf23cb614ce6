"""The raw limit: the rows that Abathur's steps write, on the bare driver, a commit for each batch.

A batch is as many writes as there are callers, which is what they could share at best. There is no
use case, no reading, no thread and no savepoint around the rows.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import ClassVar, Final

from abathur.infrastructure.database.engines.sqlite import connect
from benchmarks import tape
from benchmarks.hands import open_queue
from benchmarks.peers.ours import AT_ONCE, Abathur
from benchmarks.peers.sqlite_queues import read_back
from benchmarks.peers.turns import BATCH, Task, Told
from benchmarks.results import Cell

TIMES: Final = 6
"""Jobs of each step, in the fewest jobs of a cycle."""

Tapes = Mapping[str, list[tape.Operation]]


def calls(jobs: int) -> Mapping[str, int]:
    """How often each step is done."""
    return {"enqueue": jobs, "claim": jobs // AT_ONCE, "complete": jobs, "batch enqueue": 1}


async def every_call(where: str, jobs: int) -> AsyncIterator[str]:
    """Does each step as often as it is recorded; hands back its name after each call."""
    queue = Abathur()
    await queue.open(where, 1)
    yield "opening"
    for name, count in calls(jobs).items():
        for _ in range(count):
            await _call(queue, name)
            yield name
    await queue.close()


async def _call(queue: Abathur, step: str) -> int:
    match step:
        case "enqueue":
            return await queue.enqueue()
        case "claim":
            return await queue.claim()
        case "complete":
            return await queue.complete()
    return await queue.enqueue_many(BATCH)


class RawSqlite:
    """Records once; every turn plays into an empty file of its own."""

    packages: ClassVar[tuple[str, ...]] = ("apsw",)
    gives: ClassVar[str] = "the same rows, written with nothing around them"

    def __init__(self) -> None:
        self._tapes: Tapes = {}

    async def turn(self, task: Task) -> Told:
        jobs = task.fewest * TIMES
        if not self._tapes:
            tapes = await self.record(task.places[1], jobs)
            self._tapes = {name: tapes[name] for name in calls(jobs)}
        await self.prepare(task.places[0])
        told = Told({}, {}, {}, dict(await asyncio.to_thread(self.settings, task.places[0])))
        for name, operations in self._tapes.items():
            seconds = await asyncio.to_thread(self.play, task.places[0], operations, task.callers)
            told.rates[name] = (BATCH if name == "batch enqueue" else jobs) / seconds
        told.rates["cycle"] = 1 / sum(1 / told.rates[n] for n in ("enqueue", "claim", "complete"))
        return told

    async def record(self, where: str, jobs: int) -> Tapes:
        tapes: dict[str, list[tape.Operation]] = {}
        with tape.recording() as recorder:
            async for name in every_call(where, jobs):
                tapes.setdefault(name, []).extend(recorder.taken())
        return tapes

    async def prepare(self, where: str) -> None:
        db = await open_queue(Path(where))
        await db.close()

    def play(self, where: str, operations: list[tape.Operation], callers: int) -> float:
        return tape.play(Path(where) / "queue.db", operations, callers)

    def settings(self, where: str) -> dict[str, Cell]:
        connection = connect(str(Path(where) / "queue.db"), busy_timeout=tape.BUSY_TIMEOUT)
        told = read_back(connection)
        connection.close()
        return told
