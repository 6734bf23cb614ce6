"""Which ready tasks are handed out while holds, limits, pools or reservations restrict it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from abathur.domain.admission import (
    UNLIMITED,
    AdmissionRules,
    Hold,
    HoldCause,
    HoldScope,
)
from abathur.domain.concurrency import Limits
from abathur.services import admitting, claiming

if TYPE_CHECKING:
    from abathur.domain.tasks import Task
    from tests.conformance.conftest import Queue


async def claim(
    queue: Queue, limit: int = 10, rules: AdmissionRules = UNLIMITED, worker: str = "w1"
) -> list[str]:
    claims = await queue.write(
        claiming.claim,
        worker_id=worker,
        limit=limit,
        now=queue.now,
        lease=queue.lease,
        rules=rules,
    )
    return [one.task.id for one in claims]


async def hold(
    queue: Queue, scope: HoldScope, name: str = "", seconds: float | None = None
) -> None:
    one = Hold(
        id=queue.new_id(),
        scope=scope,
        name=name,
        cause=HoldCause.PERSON,
        reason="",
        hold_until=None if seconds is None else queue.now + timedelta(seconds=seconds),
        created_by="cli:alice",
        created_at=queue.now,
    )
    await queue.write(lambda stores: stores.admission.put_hold(one))


def ids(tasks: Sequence[Task]) -> list[str]:
    return [task.id for task in tasks]


async def test_a_hold_on_everything_lets_nothing_be_claimed(queue: Queue) -> None:
    task = await queue.submit()
    await hold(queue, HoldScope.EVERYTHING)
    assert await claim(queue) == []
    assert not await queue.read(admitting.has_admitted, UNLIMITED, queue.now)
    assert (await queue.task(task)).attempt_count == 0


async def test_what_is_held_is_passed_by(queue: Queue) -> None:
    await queue.submit(agent_type="writer")
    await queue.submit(feature_branch="next")
    free = await queue.submit()
    single = await queue.submit()
    await hold(queue, HoldScope.AGENT_TYPE, "writer")
    await hold(queue, HoldScope.TARGET, "next")
    await hold(queue, HoldScope.TASK, single.id)
    assert await claim(queue) == [free.id]
    assert not await queue.read(admitting.has_admitted, UNLIMITED, queue.now)


async def test_a_held_target_holds_tasks_that_name_none_when_it_is_the_default(
    queue: Queue,
) -> None:
    await queue.submit()
    other = await queue.submit(feature_branch="next")
    await hold(queue, HoldScope.TARGET, "main")
    assert await claim(queue, rules=AdmissionRules(default_target="main")) == [other.id]


async def test_a_hold_ends_by_itself_at_its_time(queue: Queue) -> None:
    task = await queue.submit()
    await hold(queue, HoldScope.EVERYTHING, seconds=60)
    ends = await queue.read(lambda stores: stores.admission.next_end(queue.now))
    assert ends == queue.now + timedelta(seconds=60)
    assert await claim(queue) == []
    queue.pass_time(60)
    assert await queue.read(lambda stores: stores.admission.next_end(queue.now)) is None
    assert await claim(queue) == [task.id]


async def test_one_task_behind_many_held_ones_is_found(queue: Queue) -> None:
    for number in range(admitting.PAGE + 10):
        await queue.submit(agent_type="writer", prompt=f"{number}")
    free = await queue.submit()
    await hold(queue, HoldScope.AGENT_TYPE, "writer")
    assert await claim(queue, 1) == [free.id]


async def test_a_limit_of_an_agent_type_counts_what_all_workers_run(queue: Queue) -> None:
    writers = [await queue.submit(agent_type="writer") for _ in range(3)]
    other = await queue.submit()
    rules = AdmissionRules(limits=Limits(agent_types={"writer": 2}), host="here")
    assert await claim(queue, 1, rules) == [writers[0].id]
    assert await claim(queue, 10, rules, "w2") == [writers[1].id, other.id]
    assert await claim(queue, 10, rules) == []


async def test_a_limit_of_a_target_counts_tasks_that_name_none(queue: Queue) -> None:
    first = await queue.submit()
    await queue.submit(feature_branch="main")
    other = await queue.submit(feature_branch="next")
    rules = AdmissionRules(limits=Limits(targets={"main": 1}), default_target="main")
    assert await claim(queue, 10, rules) == ids([first, other])
    assert await claim(queue, 10, rules) == []


async def test_a_limit_of_the_host_counts_what_runs_there(queue: Queue) -> None:
    tasks = [await queue.submit() for _ in range(3)]
    rules = AdmissionRules(limits=Limits(host=2), host="here:second-boot")
    elsewhere = AdmissionRules(limits=Limits(host=2), host="there")
    assert await claim(queue, 10, rules) == ids(tasks[:2])
    assert await claim(queue, 10, rules) == []
    assert await claim(queue, 10, elsewhere) == [tasks[2].id]


async def test_work_that_is_landing_takes_no_place(queue: Queue) -> None:
    first, second = [await queue.submit() for _ in range(2)]
    rules = AdmissionRules(limits=Limits(host=1), host="here")
    await queue.succeed(await queue.claim_one())
    assert await claim(queue, 10, rules) == [second.id]
    assert (await queue.task(first)).worker_id is None


async def reserve(queue: Queue, *patterns: str, may_overlap: bool = False) -> Task:
    task = await queue.submit()
    await queue.write(
        lambda stores: stores.admission.add_paths(task.id, patterns, may_overlap=may_overlap)
    )
    return task


async def test_tasks_that_touch_the_same_are_not_run_at_once(queue: Queue) -> None:
    first = await reserve(queue, "src/app", "docs")
    await reserve(queue, "src/app/main.py")
    third = await reserve(queue, "tests/**/*.py")
    assert await claim(queue) == ids([first, third])
    assert await claim(queue) == []


async def test_paths_stay_reserved_until_the_work_has_landed(queue: Queue) -> None:
    await reserve(queue, "src")
    waiting = await reserve(queue, "src/a.py")
    (running,) = await queue.claim()
    await queue.succeed(running)
    assert await claim(queue) == []
    await queue.conclude(await queue.lander())
    assert await claim(queue) == [waiting.id]


async def test_a_task_may_overlap_when_it_or_the_configuration_says_so(queue: Queue) -> None:
    first = await reserve(queue, "src")
    told = await reserve(queue, "src", may_overlap=True)
    last = await reserve(queue, "src")
    assert await claim(queue) == ids([first, told])
    assert await claim(queue, rules=AdmissionRules(may_overlap=True)) == [last.id]


async def test_many_tasks_that_wait_for_the_same_paths_are_passed_by(queue: Queue) -> None:
    first = await reserve(queue, "src")
    for _ in range(admitting.PAGE + 10):
        await reserve(queue, "src/a.py")
    free = await reserve(queue, "docs")
    assert await claim(queue) == ids([first, free])
