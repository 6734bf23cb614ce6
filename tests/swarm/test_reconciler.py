"""The loop that compares the queue with what is: it waits a minute, and repairs what lasts."""

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from abathur.domain.errors import DatabaseUnreachableError
from abathur.infrastructure.clock import SystemClock
from abathur.swarm.reconciler import INTERVAL_SECONDS, Reconciler
from abathur.swarm.supervisor import Supervisor

SECONDS = 20
"""After which something hangs."""


@dataclass
class Stepping(SystemClock):
    """Sleeps as long as it is told to."""

    asked: list[float] = field(default_factory=list)
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    asleep: asyncio.Event = field(default_factory=asyncio.Event)

    async def sleep(self, seconds: float) -> None:
        self.asked.append(seconds)
        self.asleep.set()
        await self.turns.acquire()

    async def step(self) -> None:
        """One round of the loop, to its next sleep."""
        await self.asleep.wait()
        self.asleep.clear()
        self.turns.release()
        await self.asleep.wait()


@dataclass
class Away:
    real: Any
    is_away: bool = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    async def read(self, *args: Any, **kwargs: Any) -> Any:
        if self.is_away:
            raise DatabaseUnreachableError("the server is away")
        return await self.real.read(*args, **kwargs)


async def looping(world: Any) -> tuple[Stepping, Away, asyncio.Task[None]]:
    clock, db = Stepping(), Away(world.db)
    parts = replace((await world.supervisor())._parts, clock=clock, db=db)
    supervisor = Supervisor(parts, world.events.append)
    loop = Reconciler(supervisor._parts, supervisor._state).loop()
    return clock, db, asyncio.create_task(loop)


def warnings(world: Any) -> list[str]:
    return [event.text for event in world.events if event.kind == "warning"]


async def test_what_lasts_for_a_minute_is_repaired_and_told(world: Any) -> None:
    first = await world.submit("First")
    after = await world.submit("After it", prerequisites=(first.id,))
    await world.run_until_idle()
    late = await world.submit("Late")
    clock, _, loop = await looping(world)
    async with asyncio.timeout(SECONDS):
        await clock.step()
        assert await world.db.check() == []
        await world.db.write(lambda stores: _forget(stores, late.id))
        await clock.step()
        assert warnings(world) == []
        await clock.step()
    assert [text.partition(":")[0] for text in warnings(world)] == ["repaired"]
    assert set(clock.asked) == {INTERVAL_SECONDS}
    assert (await world.task(late)).status == "ready"
    assert (await world.task(after)).status == "completed"
    assert await world.db.check() == []
    loop.cancel()


def _forget(stores: Any, task_id: str) -> None:
    """As if somebody had counted a prerequisite that isn't there."""
    from abathur.domain.records import changed
    from abathur.domain.tasks import TaskStatus

    task = stores.tasks.get(task_id)
    stores.tasks.save(
        changed(task, status=TaskStatus.BLOCKED, unmet_count=1, fence=task.fence + 1),
        task.fence,
        ("status", "unmet_count", "fence"),
    )


async def test_the_loop_outlives_a_database_that_is_away(world: Any) -> None:
    clock, db, loop = await looping(world)
    async with asyncio.timeout(SECONDS):
        db.is_away = True
        await clock.step()
        db.is_away = False
        await clock.step()
    assert [text.rpartition(": ")[2] for text in warnings(world)] == ["the server is away"]
    assert not loop.done()
    loop.cancel()
    with pytest.raises(asyncio.CancelledError):
        await loop
