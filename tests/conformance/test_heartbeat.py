"""The heartbeat: what is lost is ended, what is held goes on, and silence ends all in time."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from abathur.domain.errors import DatabaseError
from abathur.swarm.heartbeat import Heartbeat

if TYPE_CHECKING:
    from abathur.services.claiming import Claim
    from tests.conformance.conftest import Queue


class BeatError(Exception):
    """Ends the loop after its first beat."""


class Beating:
    """A heartbeat of `w1` with everything that it ends written down."""

    def __init__(self, queue: Queue, *claims: Claim, landings: Any = ()) -> None:
        self.queue = queue
        self.ended: list[str] = []
        self.stops: list[str] = []
        self.waits: list[float] = []
        self.silent = 0.0
        self.landings = {
            one.id: SimpleNamespace(landing=one, stop=asyncio.Event()) for one in landings
        }
        runs = {one.task.id: self._run(one) for one in claims}
        state: Any = SimpleNamespace(
            worker_id="w1",
            lease=queue.lease,
            runs=runs,
            landings=self.landings,
            bell=lambda _: SimpleNamespace(wait=self._wait),
            begin_stop=self.stops.append,
            warn=lambda _: None,
        )
        clock = SimpleNamespace(now=lambda: queue.now, monotonic=lambda: self.silent)
        settings = SimpleNamespace(swarm=SimpleNamespace(heartbeat_seconds=5))
        parts: Any = SimpleNamespace(db=queue.db, clock=clock, settings=settings)
        self.parts, self.heart = parts, Heartbeat(parts, state)

    def _run(self, claimed: Claim) -> Any:
        return SimpleNamespace(
            task=claimed.task,
            holder=self.queue.holder(claimed),
            end=lambda reason: self.ended.append(f"{claimed.task.id} {reason}"),
        )

    async def _wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        raise BeatError

    async def beat(self) -> None:
        with pytest.raises(BeatError):
            await self.heart.loop()


async def test_what_was_lost_is_ended_and_what_is_held_goes_on(queue: Queue) -> None:
    for target in ("main", "side"):
        await queue.submit()
        await queue.succeed(await queue.claim_one(), target)
    lost_landing, held_landing = await queue.lander(), await queue.lander()
    for _ in range(2):
        await queue.submit()
    lost, held = await queue.claim_one(), await queue.claim_one()
    beating = Beating(queue, lost, held, landings=[lost_landing, held_landing])
    await beating.beat()
    assert (beating.ended, beating.stops, beating.waits) == ([], [], [5])
    assert not any(one.stop.is_set() for one in beating.landings.values())
    await queue.adopt(lost.task)
    await queue.cancel(await queue.task(lost_landing.task_id))
    await beating.beat()
    assert beating.ended == [f"{lost.task.id} lost"]
    stopped = {name for name, one in beating.landings.items() if one.stop.is_set()}
    assert stopped == {lost_landing.id}
    assert (await queue.task(held.task)).lease_until == queue.now + queue.lease


async def test_a_worker_that_was_asked_to_stop_begins_to(queue: Queue) -> None:
    beating = Beating(queue)
    await queue.write(lambda stores: stores.workers.request_stop("w1", queue.now))
    await beating.beat()
    assert beating.stops == ["request"]


async def test_a_worker_that_can_not_renew_ends_its_own_before_its_leases_are_over(
    queue: Queue,
) -> None:
    await queue.submit()
    await queue.succeed(await queue.claim_one())
    await queue.submit()
    landing, claimed = await queue.lander(), await queue.claim_one()
    beating = Beating(queue, claimed, landings=[landing])

    async def refuse(*_: Any, **__: Any) -> None:
        raise DatabaseError("the disk is full")

    beating.parts.db = SimpleNamespace(write=refuse)
    beating.silent = 0.69 * queue.lease.total_seconds()
    await beating.beat()
    assert not beating.ended
    beating.silent = 0.7 * queue.lease.total_seconds()
    await beating.beat()
    assert beating.ended == [f"{claimed.task.id} lost"]
    assert beating.landings[landing.id].stop.is_set()
