"""Calls that are done together leave the same as calls that are done one by one."""

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from abathur.domain.admission import Hold, HoldCause, HoldScope
from abathur.domain.landing import Announcement, Landing
from abathur.domain.records import changed
from abathur.domain.results import ResultCheck, ResultOrigin, TaskResult
from abathur.domain.runs import Outcome, OutcomeKind, Usage
from abathur.domain.tasks import Task
from abathur.infrastructure.database import Database
from abathur.infrastructure.database.engines import sqlite_at_once
from abathur.ports.at_once import ALONE
from abathur.ports.stores import Stores
from abathur.services import claiming, landing, pausing, running
from abathur.services.claiming import Claim
from abathur.services.running import Holder, Report
from abathur.services.taking_landings import Taking, take_at_once
from tests.conformance.conftest import ALICE, LEASE, POLICY, Queue

Call = Callable[[Queue], Any]
Queues = tuple[Queue, Queue]
TABLES = {
    "tasks": "SELECT * FROM tasks ORDER BY id",
    "attempts": "SELECT * FROM attempts ORDER BY task_id, number",
    "landings": "SELECT * FROM landings ORDER BY id",
    "agents": "SELECT * FROM agents ORDER BY id",
    # An estimate goes by what others before it cost, and the order of callers is free.
    "costs": "SELECT task_id, attempt, target, input_tokens, cost_usd, settled_at FROM costs"
    " ORDER BY task_id, attempt",
    # The order among tasks is free.
    "audit": "SELECT task_id, sequence, timestamp, actor, action_type, action_data FROM audit"
    " ORDER BY task_id, sequence",
}


RESULT = TaskResult(
    content={"summary": "It is blue"}, origin=ResultOrigin.TOOL, check=ResultCheck.VALID
)


@pytest.fixture
async def queues() -> AsyncIterator[Queues]:
    """Two that are empty: for calls together, and for calls one by one."""
    async with Database(":memory:") as one, Database(":memory:") as other:
        both = Queue(one), Queue(other)
        for queue in both:
            await queue.prepare()
        yield both


async def together(queue: Queue, calls: Iterable[Call]) -> list[Any]:
    """Hold the writer up until all are waiting, so that they make one batch."""
    loop, began, go_on = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    def wait(_: Stores) -> None:
        loop.call_soon_threadsafe(began.set)
        go_on.wait(30)

    waiting = asyncio.create_task(queue.write(wait))
    await began.wait()
    writes = [asyncio.create_task(call(queue)) for call in calls]
    # Each of them is begun before that.
    loop.call_soon(go_on.set)
    answers = await asyncio.gather(*writes, return_exceptions=True)
    await waiting
    return answers


async def one_by_one(queue: Queue, calls: Iterable[Call]) -> list[Any]:
    return [(await asyncio.gather(call(queue), return_exceptions=True))[0] for call in calls]


async def done(queues: Queues, calls: Sequence[Call]) -> list[Any]:
    """In both, with the same answers; those that are no errors."""
    answers = await together(queues[0], calls)
    for got, wanted in zip(answers, await one_by_one(queues[1], calls), strict=True):
        if isinstance(wanted, BaseException):
            assert (type(got), str(got)) == (type(wanted), str(wanted))
        else:
            assert got == wanted
    return [one for one in answers if not isinstance(one, BaseException)]


async def stored(queue: Queue) -> dict[str, Any]:
    return {table: await queue.db.query(sql) for table, sql in TABLES.items()}


async def submit(queues: Queues, chance: random.Random) -> None:
    """Tasks of which some wait for another one."""
    priorities = [chance.randrange(10) for _ in range(14)]
    for queue in queues:
        made: list[Task] = []
        for number, priority in enumerate(priorities):
            needs = made[-1:] if number % 5 == 4 else []
            made.append(await queue.submit(*needs, prompt=f"Do {number}", priority=priority))


def claims(chance: random.Random) -> list[Call]:
    worker = chance.choice(["w1", "w2"])
    limits = [chance.choice([0, 1, 1, 2]) for _ in range(10)]
    calls: list[Call] = [partial(claim, limit, worker) for limit in limits]
    return [*calls, partial(claim, 1, chance.choice([worker, worker, "w1"]))]


async def claim(limit: int, worker: str, queue: Queue) -> Any:
    return await queue.claim(limit, worker)


def reports(chance: random.Random, begun: Sequence[Claim]) -> list[Call]:
    """Now and then twice, under an older fence, or of what isn't a plain success."""
    calls: list[Call] = []
    for one in begun:
        told, attempt = reported(chance, one), one.attempt
        fence = attempt.fence - (chance.random() < 0.1)
        holder = Holder(one.task.id, attempt.number, fence, attempt.worker_id)
        calls += [partial(report, holder, told)] * chance.choice([1, 1, 1, 1, 2])
    return calls


async def report(holder: Holder, told: Report, queue: Queue) -> Any:
    return await queue.write(running.report, holder, told, POLICY, queue.now)


def reported(chance: random.Random, begun: Claim) -> Report:
    task_id = begun.task.id
    is_success = chance.random() < 0.85
    cost = chance.choice([None, 0.25])
    outcome = Outcome(
        kind=OutcomeKind.SUCCEEDED if is_success else OutcomeKind.FAILED,
        message="" if is_success else "it broke",
        result_data=chance.choice([None, {"found": ["ä", 1.5, None]}]),
        usage=chance.choice([None, Usage(input_tokens=7, cost_usd=cost)]),
        result=chance.choice([None, RESULT]),
    )
    return Report(
        outcome=outcome,
        base_commit="base",
        head_commit="work",
        target=chance.choice(["main", task_id, task_id]),
        landing_id=f"landing-{task_id}-{begun.attempt.number}",
    )


def succeeded(target: str, landing_id: str) -> Report:
    return Report(
        outcome=Outcome(kind=OutcomeKind.SUCCEEDED),
        base_commit="base",
        head_commit="work",
        target=target,
        landing_id=landing_id,
    )


def landers(number: int) -> list[Call]:
    """For several of a target each, or for one."""
    limits = ([3] * 8, [1] * 8, [1, 3, 2, 4, 1, 1])[number % 3]
    return [partial(land, limit=limit) for limit in limits]


async def land(queue: Queue, limit: int = 3) -> Any:
    return await queue.claim_landings(limit)


async def pause_main(queue: Queue) -> Any:
    """For less than a round."""
    hold = Hold(
        id="h",
        scope=HoldScope.TARGET,
        name="main",
        cause=HoldCause.PERSON,
        reason="",
        hold_until=queue.now + timedelta(seconds=10),
        created_by=ALICE,
        created_at=queue.now,
    )
    return await queue.write(pausing.pause, hold)


def older(chance: random.Random, one: Landing) -> Landing:
    """Now and then as somebody knows it who has lost it since."""
    return changed(one, fence=one.fence - (chance.random() < 0.1))


def announcements(chance: random.Random, held: Sequence[Landing]) -> list[Call]:
    """One by one, and perhaps two of them together as well."""
    told = [
        Announcement(landing=older(chance, one), target_before="b", merge_commit="m")
        for one in held
    ]
    lists = [[one] for one in told] + [told[:2]] * (chance.random() < 0.3)
    chance.shuffle(lists)
    return [partial(announce, several) for several in lists]


async def announce(several: Sequence[Announcement], queue: Queue) -> Any:
    return await queue.write(landing.announce, several, queue.now)


def conclusions(chance: random.Random, held: Sequence[Landing]) -> list[Call]:
    """Now and then twice, or by a proof of something else."""
    calls: list[Call] = []
    for one in held:
        merge = chance.choices(["m", "other"], [9, 1])[0]
        calls += [partial(conclude, older(chance, one), merge)] * chance.choice([1, 1, 1, 2])
    return calls


async def conclude(one: Landing, merge: str, queue: Queue) -> Any:
    proof = queue.proof(one, merge)
    return await queue.write(landing.conclude, one, proof, detail="it is in", now=queue.now)


@pytest.mark.parametrize("seed", range(3))
async def test_calls_together_leave_the_same_as_one_by_one(queues: Queues, seed: int) -> None:
    chance = random.Random(seed)
    landed = 0
    for number in range(5):
        await submit(queues, chance)
        begun = [one for some in await done(queues, claims(chance)) for one in some]
        for one in begun[:2]:
            for queue in queues:
                await queue.start(one, branch=f"branch-{one.task.id}-{one.attempt.number}")
        # Starting gives no new fence.
        await done(queues, reports(chance, begun))
        held = [one for some in await done(queues, landers(number + seed)) for one in some]
        if number in {0, 4}:
            await done(queues, [pause_main])
        await done(queues, announcements(chance, held))
        there = {one.id: one for one in await queues[0].read(lambda s: s.landings.open())}
        landed += len(await done(queues, conclusions(chance, [there[one.id] for one in held])))
        for queue in queues:
            queue.pass_time(20)
        assert await stored(queues[0]) == await stored(queues[1])
        assert not await queues[0].db.check(full=True)
    assert landed > 15


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """How many calls came together, and how many of them were left to be done alone."""
    found: list[tuple[int, int]] = []
    real = sqlite_at_once.done_at_once

    def noted(run: Sequence[Any], stores: Any) -> Any:
        remaining = real(run, stores)
        if len(run) > 1:
            found.append((len(run), len(run) if remaining is None else len(remaining)))
        return remaining

    where = "abathur.infrastructure.database.engines.sqlite_commit.done_at_once"
    monkeypatch.setattr(where, noted)
    return found


async def test_what_is_plain_is_done_together(queues: Queues, left: list[tuple[int, int]]) -> None:
    """Else it would say nothing that the same is left."""
    queue, _ = queues
    for _number in range(6):
        await queue.submit()
    begun = [some[0] for some in await together(queue, [partial(claim, 1, "w1")] * 6)]
    plain = [succeeded(one.task.id, f"landing-{one.task.id}") for one in begun]
    pairs = zip(map(queue.holder, begun), plain, strict=True)
    await together(queue, [partial(report, holder, told) for holder, told in pairs])
    held = [one for some in await together(queue, [land] * 6) for one in some]
    merges = [Announcement(landing=one, target_before="b", merge_commit="m") for one in held]
    await together(queue, [partial(announce, [one]) for one in merges])
    there = await queue.read(lambda stores: stores.landings.open())
    await together(queue, [partial(conclude, one, "m") for one in there])
    assert left == [(6, 0)] * 5
    assert {row["status"] for row in await queue.db.query("SELECT status FROM tasks")} == {
        "completed"
    }


async def test_claims_at_different_times_are_done_each_at_its_own(queues: Queues) -> None:
    queue, _ = queues
    for _number in range(4):
        await queue.submit()
    times = [queue.now + timedelta(minutes=number) for number in range(4)]

    def claimed(stores: Stores) -> Sequence[object]:
        calls = [claiming.Claiming("w1", 1, now, LEASE) for now in times]
        return claiming.claim_at_once(stores, calls)

    assert await queue.write(claimed) == [ALONE] * 4


async def test_who_breaks_a_constraint_is_the_only_one_to_fail(queues: Queues) -> None:
    """Among calls that are done together, too."""
    for queue in queues:
        for _number in range(5):
            await queue.submit()
    begun = [some[0] for some in await done(queues, [partial(claim, 1, "w1")] * 5)]
    names = ["the-same", "the-same", "landing-2", "landing-3", "landing-4"]
    same = [succeeded("main", name) for name in names]
    pairs = zip(map(queues[0].holder, begun), same, strict=True)
    went_well = await done(queues, [partial(report, holder, told) for holder, told in pairs])
    assert len(went_well) == 4
    assert await stored(queues[0]) == await stored(queues[1])


async def test_landings_are_not_taken_together_from_a_part_of_the_queue(queues: Queues) -> None:
    """A target may have more of them in the other part."""
    queue, _ = queues
    for number in range(20):
        await queue.submit()
        await queue.succeed(await queue.claim_one(), target=f"target-{number}")

    def taken(limits: Sequence[int]) -> Callable[[Stores], Sequence[object]]:
        calls = [Taking("w1", limit, queue.now, LEASE) for limit in limits]
        return lambda stores: take_at_once(stores, calls)

    assert await queue.write(taken([1, 1, 1, 2])) == [ALONE] * 4
    assert ALONE not in await queue.write(taken([1, 1, 2, 2]))
