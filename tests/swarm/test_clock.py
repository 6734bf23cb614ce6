"""Clocks that jump: who lives keeps its work, and who is silent loses it."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from abathur.infrastructure.clock import SystemClock
from abathur.swarm.events import SwarmEvent
from abathur.swarm.lander import Lander
from abathur.swarm.lifeline import Lifeline
from abathur.swarm.state import LandingRun
from abathur.swarm.supervisor import Supervisor

SECONDS = 30
"""After which something hangs."""
HOUR = timedelta(hours=1)
SLOW = {"grace_seconds": 2, "heartbeat_seconds": 60, "lease_seconds": 100}
"""No heartbeat comes between a jump and the look at what it did."""
WRITE = [{"write": {"path": "new.txt", "text": "hello\n"}}]


@dataclass
class Jumping(SystemClock):
    """The system's clock, put forward or back; and a steady one that may be put forward."""

    ahead: timedelta = timedelta()
    steady_ahead: float = 0.0

    def now(self) -> datetime:
        return super().now() + self.ahead

    def monotonic(self) -> float:
        return super().monotonic() + self.steady_ahead


async def supervisor_with(
    world: Any, clock: SystemClock, hear: Callable[[SwarmEvent], None]
) -> Supervisor:
    parts = (await world.supervisor())._parts
    return Supervisor(replace(parts, clock=clock), hear)


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
async def test_a_clock_that_jumps_takes_no_task_from_a_worker_that_lives(
    world: Any, jump: timedelta
) -> None:
    world.configure(swarm=SLOW)
    go = world.root / ".abathur" / "go"
    task = await world.submit("Wait", [{"say": "waiting"}, {"wait_for": str(go)}, *WRITE])
    clock, waits = Jumping(), asyncio.Event()

    def hear(event: SwarmEvent) -> None:
        if "waiting" in event.text:
            waits.set()

    first = await supervisor_with(world, clock, hear)
    second = await supervisor_with(world, clock, world.events.append)
    running = asyncio.create_task(first.run(until_idle=True))
    async with asyncio.timeout(SECONDS):
        await waits.wait()
        lifeline = Lifeline(second._parts, second._state)
        assert await lifeline.rescue() == 0
        clock.ahead = jump
        held = await world.task(task)
        assert (held.lease_until <= clock.now()) is (jump > timedelta())
        assert await lifeline.rescue() == 0
        go.touch()
        await running
    assert [a.outcome for a in await world.attempts(task)] == ["succeeded"]
    assert (await world.task(task)).status == "completed"
    await world.assert_sound()


async def test_who_was_silent_for_a_lease_by_the_steady_clock_loses_its_task(world: Any) -> None:
    task = await world.submit("Write", WRITE)
    ghost = await world.supervisor()
    await claim(world, ghost)
    clock = Jumping(ahead=HOUR)
    rescuer = await supervisor_with(world, clock, world.events.append)
    lifeline = Lifeline(rescuer._parts, rescuer._state)
    assert await lifeline.rescue() == 0
    clock.steady_ahead += rescuer._state.lease.total_seconds() - 1
    assert await lifeline.rescue() == 0
    clock.steady_ahead += 1
    await world.db.write(lambda stores: stores.workers.insert(rescuer._row()))
    assert await lifeline.rescue() == 1
    assert [a.outcome for a in await world.attempts(task)] == ["lost"]


async def claim(world: Any, supervisor: Supervisor) -> None:
    from abathur.services import claiming

    row = supervisor._row()
    await world.db.write(lambda stores: stores.workers.insert(row))
    await world.db.write(
        claiming.claim,
        worker_id=row.id,
        limit=1,
        now=supervisor._parts.clock.now(),
        lease=supervisor._state.lease,
    )


def refuse(runs: Sequence[LandingRun]) -> asyncio.Task[None]:
    raise AssertionError(f"took {runs[0].landing.id} from its lander")


async def test_a_clock_that_jumps_takes_no_landing_from_a_lander_that_lives(world: Any) -> None:
    checking, go = world.root / ".abathur" / "checking", world.root / ".abathur" / "go"
    wait = f"touch {checking}; while [ ! -e {go} ]; do sleep 0.05; done"
    world.configure(swarm=SLOW, verify={"command": ["sh", "-c", wait]})
    task = await world.submit("Write", WRITE)
    clock, landing_started = Jumping(), asyncio.Event()

    def hear(event: SwarmEvent) -> None:
        world.events.append(event)
        if event.kind == "landing_started":
            landing_started.set()

    first = await supervisor_with(world, clock, hear)
    running = asyncio.create_task(first.run(until_idle=True))
    async with asyncio.timeout(SECONDS):
        await landing_started.wait()
        second = await supervisor_with(world, clock, world.events.append)
        assert await Lifeline(second._parts, second._state).rescue() == 0
        clock.ahead = HOUR
        await Lander(second._parts, second._state).claim(refuse)
        go.touch()
        await running
    (landing,) = await world.landings(task)
    assert (landing.state, landing.worker_id) == ("landed", first._state.worker_id)
    assert world.kinds(task).count("landing_started") == 1
    await world.assert_sound()
