"""Which ready tasks are handed out while holds, limits, pools or reservations restrict it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from abathur.domain.admission import (
    UNLIMITED,
    Admission,
    AdmissionRules,
    Hold,
    HoldCause,
    HoldScope,
    Restrictions,
)
from abathur.domain.closed_targets import Closure
from abathur.domain.concurrency import Limits
from abathur.domain.errors import IllegalTransitionError, InvalidInputError, NotFoundError
from abathur.domain.records import changed
from abathur.domain.tasks import TaskStatus
from abathur.services import admitting, claiming, pausing, reconciling
from abathur.services.queue_facts import queue_facts
from abathur.services.verifying import verify

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


async def test_a_waiting_task_is_held_by_any_hold_that_covers_it(queue: Queue) -> None:
    one, free = await queue.submit(feature_branch="next"), await queue.submit()
    await queue.submit(agent_type="writer")
    await hold(queue, HoldScope.TARGET, "next")
    await hold(queue, HoldScope.TASK, "another")
    found = await queue.read(admitting.held, [one, free], queue.now)
    assert found == {one.id}


async def test_what_is_chosen_among_held_tasks_is_leased_like_any_other(queue: Queue) -> None:
    await queue.submit(agent_type="writer")
    free = await queue.submit()
    await hold(queue, HoldScope.AGENT_TYPE, "writer")
    assert await claim(queue) == [free.id]
    taken = await queue.task(free)
    assert (taken.worker_id, taken.lease_until) == ("w1", queue.now + queue.lease)
    assert (taken.started_at, taken.last_updated_at) == (queue.now, queue.now)


async def test_tasks_of_a_closed_target_are_passed_by(queue: Queue) -> None:
    closed = await queue.submit()
    free = await queue.submit(feature_branch="next")
    gone = {"main": Closure("target branch `main` doesn't exist", "make it")}
    rules = AdmissionRules(default_target="main", closure=gone.get)
    assert await claim(queue, 10, rules) == [free.id]
    assert not await queue.read(admitting.has_admitted, rules, queue.now)
    gone.clear()
    assert await queue.read(admitting.has_admitted, rules, queue.now)
    assert await claim(queue, 10, rules) == [closed.id]


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


async def test_a_used_up_pool_keeps_only_its_own_agent_types(queue: Queue) -> None:
    await queue.submit(agent_type="writer")
    other = await queue.submit()
    rules = AdmissionRules(pools_of=lambda kind: ("anthropic/me",) if kind == "writer" else ())
    restrictions = Restrictions(exhausted={"anthropic/me": queue.now + timedelta(hours=1)})
    decides = Admission(rules, restrictions)
    found = await queue.read(lambda stores: [one.id for one in admitting.admitted(stores, decides)])
    assert found == [other.id]


async def test_limits_are_never_exceeded_and_everything_is_run(queue: Queue) -> None:
    """Two claimers at once, tasks that end in between, and holds that come and go."""
    chance = random.Random(7)
    kinds = ("writer", "reader", "general")
    for number in range(60):
        await queue.submit(agent_type=kinds[number % 3], prompt=str(number))
    rules = AdmissionRules(limits=Limits(agent_types={"writer": 2}, host=5), host="here")
    at_work: dict[str, claiming.Claim] = {}
    ended = 0
    while ended < 60:
        if chance.random() < 0.2:
            await hold(queue, HoldScope.AGENT_TYPE, "reader", seconds=5)
        found = await asyncio.gather(
            *(
                queue.write(
                    claiming.claim,
                    worker_id=worker,
                    limit=chance.randint(1, 4),
                    now=queue.now,
                    lease=queue.lease,
                    rules=rules,
                )
                for worker in ("w1", "w2")
            )
        )
        for one in (claim for claims in found for claim in claims):
            assert one.task.id not in at_work
            at_work[one.task.id] = one
        assert len(at_work) <= 5
        assert sum(one.task.agent_type == "writer" for one in at_work.values()) <= 2
        for task_id in chance.sample(sorted(at_work), min(len(at_work), 3)):
            await queue.land(at_work.pop(task_id))
            ended += 1
        queue.pass_time(3)


async def pause(
    queue: Queue, scope: HoldScope, name: str = "", seconds: float | None = None
) -> Hold:
    one = Hold(
        id=queue.new_id(),
        scope=scope,
        name=name,
        cause=HoldCause.PERSON,
        reason="release\nweek",
        hold_until=None if seconds is None else queue.now + timedelta(seconds=seconds),
        created_by="cli:alice",
        created_at=queue.now,
    )
    return await queue.write(pausing.pause, one)


async def test_pausing_is_told_in_the_trail_which_still_verifies(queue: Queue) -> None:
    task = await queue.submit()
    await pause(queue, HoldScope.TASK, task.id)
    await pause(queue, HoldScope.EVERYTHING)
    await queue.write(pausing.resume_all, now=queue.now, actor="cli:bob")
    told = [(one.task_id, one.action_type.value) for one in (await queue.audit())[1:]]
    assert told[:2] == [(task.id, "hold_begun"), ("", "hold_begun")]
    assert sorted(told[2:]) == [("", "hold_ended"), (task.id, "hold_ended")]
    facts = {"scope": "task", "name": task.id, "cause": "person", "reason": "release week"}
    assert (await queue.audit(task))[1].action_data == {**facts, "until": None}
    assert (await queue.read(verify)).breaks == []
    assert await claim(queue) == [task.id]


async def test_a_pause_needs_a_time_to_come_and_a_task_that_is_there(queue: Queue) -> None:
    with pytest.raises(InvalidInputError, match="that time is over"):
        await pause(queue, HoldScope.EVERYTHING, seconds=0)
    with pytest.raises(NotFoundError, match="no task has the id nobody"):
        await pause(queue, HoldScope.TASK, "nobody")
    assert await queue.read(lambda stores: stores.admission.holds()) == []


async def test_only_holds_whose_time_is_over_are_cleared_away(queue: Queue) -> None:
    await pause(queue, HoldScope.TARGET, "main", seconds=1)
    lasting = [await pause(queue, HoldScope.TARGET, "next", seconds=2)]
    lasting += [await pause(queue, HoldScope.EVERYTHING)]
    queue.pass_time(1)
    over = await queue.write(pausing.end_overdue, now=queue.now, actor="cli:alice")
    assert [one.name for one in over] == ["main"]
    left = await queue.read(lambda stores: stores.admission.holds())
    assert [one.id for one in left] == [one.id for one in lasting]


async def test_a_pause_of_a_task_is_over_with_the_task(queue: Queue) -> None:
    await queue.submit()
    claimed = await queue.claim_one()
    begun = await pause(queue, HoldScope.TASK, claimed.task.id)
    asks = changed(begun, id="asks", cause=HoldCause.BUDGET)
    await queue.write(pausing.pause, asks)
    assert not (await queue.read(reconciling.facts, queue.now)).overdue
    await queue.succeed(claimed)
    await queue.conclude(await queue.announce(await queue.lander()))
    shown = await queue.read(queue_facts, UNLIMITED, queue.now)
    assert [one.id for one in shown.holds] == ["asks"]
    over = await queue.write(pausing.end_overdue, now=queue.now, actor="cli:alice")
    assert [one.id for one in over] == [begun.id]


async def test_a_task_of_a_worker_whose_process_is_gone_is_lost(queue: Queue) -> None:
    await queue.submit()
    claimed = await queue.claim_one()
    found = await queue.read(reconciling.facts, queue.now)
    assert not list(reconciling.lost_workers(found, lambda _: True))
    # Of another host nobody knows.
    assert not list(reconciling.lost_workers(found, lambda _: None))
    (lost,) = reconciling.lost_workers(found, lambda worker: worker.id != "w1")
    assert (lost.code, lost.task_id) == ("worker_dead", claimed.task.id)


async def test_an_ended_task_cant_be_paused(queue: Queue) -> None:
    await queue.submit()
    done = await queue.complete_next()
    with pytest.raises(IllegalTransitionError, match="nothing to pause"):
        await pause(queue, HoldScope.TASK, done.id)


async def test_nothing_lands_on_a_paused_target(queue: Queue) -> None:
    await queue.submit()
    await queue.succeed(await queue.claim_one())
    await pause(queue, HoldScope.TARGET, "main")
    assert await queue.claim_landing() is None
    assert await queue.read(admitting.is_held_up, UNLIMITED, queue.now)
    await queue.write(pausing.resume, HoldScope.TARGET, "main", now=queue.now, actor="cli:bob")
    assert await queue.claim_landing() is not None


async def test_a_pause_of_everything_lets_finished_work_land(queue: Queue) -> None:
    await queue.submit()
    await queue.succeed(await queue.claim_one())
    await pause(queue, HoldScope.EVERYTHING)
    assert not await queue.read(admitting.is_held_up, UNLIMITED, queue.now)
    assert await queue.claim_landing() is not None


async def test_an_orderly_queue_has_nothing_to_reconcile(queue: Queue) -> None:
    first = await queue.submit()
    await queue.submit(first)
    await queue.claim_one()
    found = await queue.read(reconciling.facts, queue.now)
    assert (found.problems, found.overdue) == ([], [])


async def test_what_the_rows_prove_is_repaired_and_told(queue: Queue) -> None:
    await queue.submit()
    claimed = await queue.claim_one()
    lost = changed(claimed.task, worker_id=None, lease_until=None)
    await queue.write(lambda stores: stores.tasks.save(lost, claimed.task.fence))
    await hold(queue, HoldScope.EVERYTHING, seconds=1)
    queue.pass_time(2)
    found = await queue.read(reconciling.facts, queue.now)
    assert [problem.code for problem in found.problems] == ["running_without_holder"]
    done = await queue.write(reconciling.repair, found.problems, now=queue.now, actor="cli:alice")
    assert done.fixes
    assert len(done.ended) == 1
    assert (await queue.task(claimed.task)).status is TaskStatus.READY
    assert (await queue.read(reconciling.facts, queue.now)).problems == []
    assert (await queue.read(verify)).breaks == []


async def test_a_held_host_starts_nothing_and_others_go_on(queue: Queue) -> None:
    task = await queue.submit()
    await pause(queue, HoldScope.HOST, "here")
    there, here = AdmissionRules(host="there:boot:1"), AdmissionRules(host="here:boot:1")
    assert await queue.read(admitting.has_admitted, there, queue.now)
    assert not await queue.read(admitting.has_admitted, here, queue.now)
    assert await queue.read(admitting.is_held_up, here, queue.now)
    assert not await queue.read(admitting.is_held_up, there, queue.now)
    assert (await queue.task(task)).status is TaskStatus.READY
