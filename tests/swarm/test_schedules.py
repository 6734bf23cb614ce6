"""A swarm submits what is due: once, at its time, whatever the clock does."""

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from abathur import bootstrap
from abathur.domain.schedules import MissedPolicy, OverlapPolicy, Schedule
from abathur.infrastructure.clock import SystemClock
from abathur.infrastructure.timetable import next_time
from abathur.services import scheduling
from abathur.swarm.schedules import CLOCK_SECONDS, Scheduler
from abathur.swarm.supervisor import Supervisor

SECONDS = 30
"""After which something hangs."""
HOUR = timedelta(hours=1)
WRITE = {"script": [{"write": {"path": "new.txt", "text": "hello\n"}}]}


@dataclass
class Jumping(SystemClock):
    ahead: timedelta = timedelta()

    def now(self) -> datetime:
        return super().now() + self.ahead

    def go_to(self, text: str) -> None:
        self.ahead = datetime.fromisoformat(text) - super().now()


@dataclass
class Counting:
    """A database that counts the questions."""

    real: Any
    asked: int = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    async def read(self, *args: Any, **kwargs: Any) -> Any:
        self.asked += 1
        return await self.real.read(*args, **kwargs)


async def add(world: Any, now: datetime, cron: str = "0 * * * *", **more: Any) -> Schedule:
    values: dict[str, Any] = {
        "id": bootstrap.new_id(),
        "name": "hourly",
        "cron": cron,
        "time_zone": "UTC",
        "template": {"prompt": "Write", "input_data": WRITE},
        "missed": MissedPolicy.SKIP,
        "overlap": OverlapPolicy.SKIP,
        "next_at": None,
        "last_at": None,
        "last_task_id": None,
        "paused_at": None,
        "created_by": "cli:alice",
        "created_at": now,
    }
    made: Schedule = await world.db.write(scheduling.add, Schedule(**{**values, **more}), next_time)
    return made


async def made(world: Any, clock: SystemClock, db: Any = None) -> Scheduler:
    parts = (await world.supervisor())._parts
    supervisor = Supervisor(replace(parts, clock=clock, db=db or world.db), world.events.append)
    return Scheduler(supervisor._parts, supervisor._state)


async def test_a_swarm_that_waits_for_nothing_else_submits_what_becomes_due(world: Any) -> None:
    clock = Jumping()
    await add(world, clock.now())
    first = await world.submit("Be there", [])
    ended: asyncio.Queue[str] = asyncio.Queue()

    def hear(event: Any) -> None:
        world.events.append(event)
        if event.kind == "task_completed":
            ended.put_nowait(event.task_id)

    parts = (await world.supervisor())._parts
    supervisor = Supervisor(replace(parts, clock=clock), hear)
    running = asyncio.create_task(supervisor.run())
    async with asyncio.timeout(SECONDS):
        assert await ended.get() == first.id
        clock.ahead = HOUR
        supervisor._state.ring_all()
        scheduled = await ended.get()
        supervisor.stop()
        await running
    task = next(one for one in await world.tasks() if one.id == scheduled)
    assert (task.status, task.created_by) == ("completed", "schedule:hourly")
    assert world.file("new.txt") == "hello"
    await world.assert_sound()


async def test_what_was_missed_is_made_up_for_before_a_swarm_is_idle(world: Any) -> None:
    await add(world, datetime.now(UTC) - timedelta(hours=5))
    result = await world.run_until_idle()
    assert (result.completed, result.stopped_by) == (1, "idle")
    assert "submitted 1 task; " in next(e.text for e in world.events if e.kind == "schedule_fired")


async def test_a_swarm_until_idle_doesnt_wait_for_schedules(world: Any) -> None:
    await add(world, datetime.now(UTC), cron="* * * * *", name="minutely")
    async with asyncio.timeout(SECONDS):
        assert (await world.run_until_idle()).completed <= 1


async def test_nothing_is_asked_of_the_database_until_it_changes_or_something_is_due(
    world: Any,
) -> None:
    clock, db = Jumping(), Counting(world.db)
    clock.go_to("2030-01-31T11:59:50+00:00")
    scheduler = await made(world, clock, db)
    await scheduler.round()
    for _ in range(50):
        await scheduler.round()
    assert db.asked == 1
    assert scheduler.seconds_to_wait() == CLOCK_SECONDS

    await add(world, clock.now())
    fresh = await made(world, clock, db)
    await fresh.round()
    assert 0 < fresh.seconds_to_wait() <= 10
    assert await world.tasks() == []
    clock.go_to("2030-01-31T12:00:00+00:00")
    await fresh.round()
    assert len(await world.tasks()) == 1


async def test_a_night_in_which_the_clock_is_put_back_has_one_task_and_not_two(
    world: Any,
) -> None:
    clock = Jumping()
    clock.go_to("2030-10-26T20:00:00+00:00")
    more = {"time_zone": "Europe/Berlin", "overlap": OverlapPolicy.ALLOW}
    await add(world, clock.now(), cron="30 2 * * *", **more)
    scheduler = await made(world, clock)
    for text, tasks in (
        ("2030-10-27T00:29:59", 0),
        ("2030-10-27T00:30:00", 1),
        ("2030-10-27T01:10:00", 1),
        ("2030-10-27T01:30:00", 1),
        ("2030-10-27T00:10:00", 1),
        ("2030-10-27T00:30:00", 1),
        ("2030-10-28T01:29:59", 1),
        ("2030-10-28T01:30:00", 2),
    ):
        clock.go_to(f"{text}+00:00")
        await scheduler.round()
        assert (text, len(await world.tasks())) == (text, tasks)


async def test_who_was_away_while_the_clock_was_put_back_makes_one_task(world: Any) -> None:
    clock = Jumping()
    clock.go_to("2030-10-26T20:00:00+00:00")
    await add(world, clock.now(), cron="30 2 * * *", time_zone="Europe/Berlin")
    clock.go_to("2030-10-27T01:10:00+00:00")
    for _ in range(2):
        await (await made(world, clock)).round()
    assert len(await world.tasks()) == 1
