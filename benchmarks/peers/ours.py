"""Abathur as a peer of the others: the use cases that its command line and its swarm call."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import ClassVar, Final

from abathur.bootstrap import new_id
from abathur.domain.plans import Plan, PlannedTask
from abathur.domain.tasks import NewTask
from abathur.services import claiming
from abathur.services.claiming import Claim
from abathur.services.planning import apply_plan
from benchmarks.hands import LEASE, PROMPT, WORKER, Hands, now, open_queue
from benchmarks.peers.queue import Queue
from benchmarks.peers.settings import postgresql, sqlite
from benchmarks.results import Cell

AT_ONCE: Final = 10
"""Tasks in one claim, at most."""


class Abathur(Queue):
    name: ClassVar[str] = "Abathur"
    packages: ClassVar[tuple[str, ...]] = ("abathur",)
    gives: ClassVar[str] = "lease, fence, attempt, landing and audit rows"
    lands: ClassVar[bool] = False
    """Whether a task is done when its run is reported, or when its work has landed."""

    async def open(self, where: str, callers: int) -> None:
        self._where = where
        self._hands = Hands(await open_queue(where))
        self._held: deque[Claim] = deque()

    async def close(self) -> None:
        await self._hands.db.close()

    async def settings(self) -> dict[str, Cell]:
        told = postgresql if "://" in self._where else sqlite
        return await told(self._hands.db)

    async def enqueue(self) -> int:
        await self._hands.submit()
        return 1

    async def enqueue_many(self, count: int) -> int:
        """As a plan: one file of tasks, applied in one transaction."""
        names = [f"task-{number}" for number in range(count)]
        tasks = {
            name: PlannedTask(name=name, new=NewTask(prompt=PROMPT), needs=(), line=1, needs_line=1)
            for name in names
        }
        plan = Plan(name=new_id(), file="plan.yaml", tasks=tasks)
        await self._hands.db.write(apply_plan, plan, new_id=new_id, now=now(), actor="cli:bench")
        return count

    async def claim(self) -> int:
        return await self._claim(AT_ONCE)

    async def _claim(self, limit: int) -> int:
        claims = await self._hands.db.write(
            claiming.claim, worker_id=WORKER, limit=limit, now=now(), lease=LEASE
        )
        self._held.extend(claims)
        return len(claims)

    async def complete(self) -> int:
        if not self._held:
            return 0
        await self._end(self._held.popleft())
        return 1

    async def _end(self, claimed: Claim) -> None:
        await (self._hands.land(claimed) if self.lands else self._hands.report(claimed))

    async def start_worker(self, slots: int) -> None:
        self._free = asyncio.Semaphore(slots)
        self._ending: set[asyncio.Task[None]] = set()
        self._slots = slots
        self._worker = asyncio.create_task(self._work())
        await asyncio.sleep(0)

    async def stop_worker(self) -> None:
        self._worker.cancel()
        await asyncio.gather(self._worker, *self._ending, return_exceptions=True)

    async def _work(self) -> None:
        """What the dispatcher does: as many claims as slots are free, then wait for a commit."""
        async with self._hands.db.wakeups() as wakeups:
            while True:
                async with self._free:
                    free = self._slots - len(self._ending)
                    if not await self._claim(free):
                        await wakeups.wait(1)
                        continue
                while self._held:
                    await self._free.acquire()
                    self._begin(self._held.popleft())

    def _begin(self, claimed: Claim) -> None:
        task = asyncio.create_task(self._run(claimed))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _run(self, claimed: Claim) -> None:
        if self.heard is not None:
            self.heard()
        await self._end(claimed)
        self._free.release()
        self.count()


class AbathurLanding(Abathur):
    """Counts a task as done only when the whole landing is written: four writes instead of one."""

    name: ClassVar[str] = "Abathur, landed"
    lands: ClassVar[bool] = True
