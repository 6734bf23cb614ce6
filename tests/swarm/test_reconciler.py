"""The loop that compares the queue with what is: it waits a minute, and repairs what lasts."""

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from abathur.bootstrap.settling import settle
from abathur.domain.errors import DatabaseUnreachableError, RefMovedError
from abathur.domain.records import changed
from abathur.domain.tasks import TaskStatus
from abathur.infrastructure.clock import SystemClock
from abathur.ports.stores import Stores
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


def _announce_and_end(stores: Stores, task_id: str, merge: str) -> None:
    """As if somebody had ended the task by hand while its landing moved the target."""
    (landing,) = stores.landings.of_task(task_id)
    task = stores.tasks.get(task_id)
    assert task is not None
    begun = changed(landing, merge_commit=merge, target_before=landing.base_commit)
    stores.landings.save(begun, landing.fence, landing)
    stores.tasks.save(
        changed(task, status=TaskStatus.FAILED, fence=task.fence + 1),
        task.fence,
        ("status", "fence"),
    )


@pytest.mark.parametrize("has_arrived", [True, False])
async def test_what_was_announced_for_an_ended_task_is_ended_as_the_repository_tells(
    world: Any, has_arrived: bool
) -> None:
    task = await world.submit("Write", [{"write": {"path": "new", "text": "x\n"}}])
    await world.run_agents()
    (landing,) = await world.landings(task)
    merge = world.git("commit-tree", f"{landing.work_commit}^{{tree}}", "-p", "main", "-m", "M")
    if has_arrived:
        world.git("update-ref", "refs/heads/main", merge)
    await world.db.write(_announce_and_end, task.id, merge)
    (problem,) = await world.db.check()
    assert (problem.code, problem.fixable) == ("landing_announced", False)
    parts, actor = (await world.supervisor())._parts, "test"
    now = parts.clock.now()
    (fix,) = await settle(world.db, parts.repository, [problem], now, actor)
    assert fix.after is not None
    assert fix.after["state"] == "cancelled"
    assert await settle(world.db, parts.repository, [problem], now, actor) == []
    assert await world.db.check() == []
    (landing,) = await world.landings(task)
    has = "has" if has_arrived else "doesn't have"
    assert landing.detail == f"its task was failed already; main {has} its merge {merge[:12]}"
    # Who slept before moving the target can't do it any more.
    with pytest.raises(RefMovedError):
        await parts.repository.move_branch(
            "main", world.git("rev-parse", "main"), merge, "late", [merge]
        )
