"""The way of finished work to its target: one at a time, resumable, and never without a proof."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from abathur.domain.admission import Hold, HoldCause, HoldScope
from abathur.domain.audit import Action
from abathur.domain.errors import IllegalTransitionError, IntegrityViolation, StaleFenceError
from abathur.domain.landing import Landing, LandingState, Strategy
from abathur.domain.records import changed
from abathur.domain.tasks import Task, TaskStatus, moved
from abathur.services import landing as landings
from abathur.services import pausing, reconciling, trail

if TYPE_CHECKING:
    from tests.conformance.conftest import Queue

ALICE = "cli:alice"
Write = Callable[["Queue", Landing], Awaitable[Any]]


async def wanted(queue: Queue, target: str = "main", **fields: Any) -> Landing:
    """A landing that waits."""
    await queue.submit(**fields)
    return await queue.succeed(await queue.claim_one(), target)


async def withdraw(queue: Queue, landing: Landing) -> Landing:
    return await queue.write(landings.withdraw_merge, landing)


async def announce(queue: Queue, landing: Landing) -> None:
    await queue.announce(landing)


async def conclude(queue: Queue, landing: Landing) -> None:
    await queue.conclude(landing)


async def refuse(queue: Queue, landing: Landing) -> None:
    await queue.refuse(landing)


async def task_of(queue: Queue, landing: Landing) -> Task:
    return await queue.task(landing.task_id)


# Taking turns


async def test_a_claimed_landing_is_held(queue: Queue) -> None:
    landing = await wanted(queue)
    queue.pass_time(3)
    taken = await queue.lander("w2")
    assert taken == await queue.landing(landing.id)
    assert (taken.state, taken.worker_id) == (LandingState.RUNNING, "w2")
    assert (taken.fence, taken.lease_until) == (landing.fence + 1, queue.now + queue.lease)
    assert taken.started_at == queue.now
    assert await queue.read(lambda stores: stores.landings.held("w2")) == [taken]


async def test_nothing_waits_to_land_in_an_empty_queue(queue: Queue) -> None:
    assert await queue.claim_landing() is None


async def test_one_landing_a_target_at_a_time(queue: Queue) -> None:
    first, second = await wanted(queue), await wanted(queue)
    taken = await queue.lander("w1")
    assert await queue.claim_landing("w2") is None
    assert await queue.claim_landing("w1") is None
    await queue.conclude(taken)
    assert {taken.id, (await queue.lander("w2")).id} == {first.id, second.id}


async def test_other_targets_land_in_parallel(queue: Queue) -> None:
    main, release = await wanted(queue, "main"), await wanted(queue, "release")
    taken = {(await queue.lander("w1")).id, (await queue.lander("w2")).id}
    assert taken == {main.id, release.id}


@pytest.mark.parametrize("end", [conclude, refuse])
async def test_the_target_is_free_after_any_end(queue: Queue, end: Write) -> None:
    await wanted(queue)
    await wanted(queue)
    await end(queue, await queue.lander())
    assert await queue.claim_landing() is not None


async def test_landings_are_taken_by_rank_as_listed(queue: Queue) -> None:
    low = await wanted(queue, "a", priority=1)
    high = await wanted(queue, "b", priority=9)
    middle = await wanted(queue, "c", priority=5)
    listed = await queue.read(lambda stores: stores.landings.open())
    expected = [high.id, middle.id, low.id]
    assert [one.id for one in listed] == expected
    assert [(await queue.lander()).id for _ in range(3)] == expected
    listed = await queue.read(lambda stores: stores.landings.open())
    assert [one.id for one in listed] == expected


# Resuming


async def test_a_landing_is_resumed_after_its_lease_with_the_announced_merge(
    queue: Queue,
) -> None:
    await wanted(queue)
    await wanted(queue, priority=10)
    taken = await queue.lander("w1")
    await queue.announce(taken, "c0ffee")
    queue.pass_time(59)
    assert await queue.claim_landing("w2") is None
    queue.pass_time(1)
    resumed = await queue.lander("w2")
    assert resumed.id == taken.id
    assert (resumed.target_before, resumed.merge_commit) == ("before", "c0ffee")
    assert (resumed.worker_id, resumed.fence) == ("w2", taken.fence + 1)
    assert resumed.started_at == taken.started_at
    await queue.conclude(resumed, "c0ffee")
    assert (await task_of(queue, taken)).status is TaskStatus.COMPLETED


async def test_a_released_landing_waits_again_with_what_it_had_reached(queue: Queue) -> None:
    landing = await wanted(queue)
    taken = await queue.announce(await queue.lander("w1"))
    freed = await queue.write(landings.release_landings_of, "w1")
    assert [one.id for one in freed] == [landing.id]
    waiting = await queue.landing(landing.id)
    assert (waiting.state, waiting.worker_id) == (LandingState.QUEUED, None)
    assert (waiting.lease_until, waiting.batch) == (None, None)
    assert waiting.merge_commit == taken.merge_commit
    assert (await queue.lander("w2")).fence > taken.fence + 1
    assert await queue.write(landings.release_landings_of, "w1") == []


async def test_an_announced_merge_may_be_unrecorded_when_nobody_is_at_it(queue: Queue) -> None:
    landing = await wanted(queue)
    taken = await queue.lander()
    unrecorded = reconciling.may_be_unrecorded
    assert not unrecorded(taken, queue.now + queue.lease)
    announced = await queue.announce(taken)
    assert not unrecorded(announced, queue.now)
    assert unrecorded(announced, queue.now + queue.lease)
    await queue.write(landings.release_landing, announced)
    assert unrecorded(await queue.landing(landing.id), queue.now)


async def test_releasing_what_was_lost_changes_nothing(queue: Queue) -> None:
    await wanted(queue)
    old = await queue.lander("w1")
    queue.pass_time(60)
    await queue.lander("w2")
    before = await queue.contents()
    await queue.write(landings.release_landing, old)
    assert await queue.contents() == before


@pytest.mark.parametrize("write", [announce, withdraw, conclude, refuse])
@pytest.mark.parametrize("lost", ["resumed", "released", "ended", "cancelled"])
async def test_a_lander_that_lost_its_landing_is_refused_and_nothing_is_written(
    queue: Queue, write: Write, lost: str
) -> None:
    landing = await wanted(queue)
    taken = await queue.lander("w1")
    match lost:
        case "resumed":
            queue.pass_time(60)
            await queue.lander("w1")
        case "released":
            await queue.write(landings.release_landing, taken)
        case "ended":
            await queue.conclude(taken)
        case "cancelled":
            await queue.cancel(await task_of(queue, landing))
    before = await queue.contents()
    with pytest.raises(StaleFenceError):
        await write(queue, taken)
    assert await queue.contents() == before


async def test_the_announcement_can_be_withdrawn(queue: Queue) -> None:
    landing = await wanted(queue)
    taken = await queue.announce(await queue.lander())
    assert await queue.landing(landing.id) == taken
    with pytest.raises(IllegalTransitionError):
        await queue.cancel(await task_of(queue, landing))
    await withdraw(queue, taken)
    found = await queue.landing(landing.id)
    assert (found.target_before, found.merge_commit) == (None, None)
    assert (await queue.cancel(await task_of(queue, landing)))[0].id == landing.task_id


# Ends


async def test_a_proof_completes_the_task(queue: Queue) -> None:
    await wanted(queue)
    taken = await queue.announce(await queue.lander())
    queue.pass_time(2)
    done = await queue.conclude(taken)
    assert done.landing == await queue.landing(taken.id)
    assert (done.landing.state, done.landing.ended_at) == (LandingState.LANDED, queue.now)
    assert done.landing.proof == queue.proof(taken)
    assert (done.landing.merge_commit, done.landing.lease_until) == ("merge", None)
    assert done.landing.fence == taken.fence + 1
    assert done.task == await task_of(queue, taken)
    assert (done.task.status, done.task.completed_at) == (TaskStatus.COMPLETED, queue.now)
    assert await queue.db.check() == []
    assert await queue.read(lambda stores: stores.landings.recent(9)) == [done.landing]
    told = [one for one in await queue.audit(done.task) if one.action_type is Action.LANDING_ENDED]
    assert [one.action_data for one in told] == [
        {
            "attempt": 1, "state": "landed", "target": "main", "merge_commit": "merge",
            "strategy": "merge", "detail": None,
        }
    ]  # fmt: skip


@pytest.mark.parametrize(
    "other",
    [
        {"target": "next"},
        {"work_commit": "other"},
        {"merge_commit": "other"},
        {"merge_commit": None},
        {"strategy": Strategy.SQUASH},
    ],
    ids=str,
)
async def test_a_proof_of_other_work_completes_nothing(queue: Queue, other: dict[str, Any]) -> None:
    await wanted(queue)
    taken = await queue.announce(await queue.lander())
    proof = replace(queue.proof(taken), **other)
    before = await queue.contents()
    with pytest.raises(IllegalTransitionError, match="a proof of other work"):
        await queue.write(landings.conclude, taken, proof, detail=None, now=queue.now)
    assert await queue.contents() == before


@pytest.mark.parametrize("write", [announce, withdraw, conclude, refuse])
async def test_work_of_a_task_that_is_not_running_never_lands(queue: Queue, write: Write) -> None:
    await wanted(queue)
    taken = await queue.lander()
    task = await task_of(queue, taken)
    gone = moved(task, TaskStatus.CANCELLED, queue.now, completed_at=queue.now)
    await queue.db.write(
        lambda stores: trail.save(stores, Action.TASK_CANCELLED, task, gone, ALICE, queue.now)
    )
    before = await queue.contents()
    with pytest.raises(IllegalTransitionError, match="its work must not land"):
        await write(queue, taken)
    assert await queue.read(landings.lost, [taken]) == {taken.id}
    assert await queue.contents() == before


async def test_a_proof_that_nothing_changed_completes_the_task(queue: Queue) -> None:
    await wanted(queue)
    done = await queue.conclude(await queue.lander(), None)
    assert done.landing.state is LandingState.NOTHING_CHANGED
    assert done.task.status is TaskStatus.COMPLETED
    assert await queue.db.check() == []


@pytest.mark.parametrize("state", [LandingState.LANDED, LandingState.NOTHING_CHANGED])
async def test_a_success_without_a_proof_cant_be_written(queue: Queue, state: LandingState) -> None:
    await wanted(queue)
    taken = await queue.lander()
    before = await queue.contents()
    with pytest.raises(IntegrityViolation):
        await queue.refuse(taken, state)
    unproven = replace(taken, state=state)
    with pytest.raises(IntegrityViolation):
        await queue.write(lambda stores: stores.landings.save(unproven, taken.fence))
    assert await queue.contents() == before


@pytest.mark.parametrize("state", [LandingState.CONFLICTED, LandingState.REJECTED])
async def test_refused_work_goes_back_once_with_the_facts_and_then_fails(
    queue: Queue, state: LandingState
) -> None:
    await wanted(queue, max_retries=5)
    dependent = await queue.submit(await queue.task((await queue.lander()).task_id))
    taken = (await queue.read(lambda stores: stores.landings.held("w1")))[0]
    refused = await queue.refuse(taken, state, log="/v.log")
    assert (refused.landing.state, refused.landing.verify_log) == (state, "/v.log")
    assert refused.landing == await queue.landing(taken.id)
    task = await task_of(queue, taken)
    assert refused.task == task
    assert (task.status, task.rework_count) == (TaskStatus.READY, 1)
    assert (task.retry_count, task.error_message) == (0, "a.txt conflicts")

    again = await queue.claim_one()
    assert again.attempt.feedback == {"kind": "conflict", "files": ["a.txt"], "log": "/v.log"}
    assert await queue.attempt(again) == again.attempt
    await queue.succeed(again)
    failed = await queue.refuse(await queue.lander(), state)
    assert (failed.task.status, failed.task.error_message) == (
        TaskStatus.FAILED,
        "a.txt conflicts",
    )
    assert [one.id for one in failed.released] == [dependent.id]
    assert await queue.statuses(dependent) == [TaskStatus.CANCELLED]
    assert await queue.db.check() == []


async def test_work_isnt_sent_back_when_no_rework_is_allowed(queue: Queue) -> None:
    await wanted(queue)
    failed = await queue.refuse(await queue.lander(), max_rework=0)
    assert failed.task.status is TaskStatus.FAILED


async def test_reworked_work_can_land(queue: Queue) -> None:
    await wanted(queue)
    await queue.refuse(await queue.lander())
    done = await queue.land(await queue.claim_one())
    assert (done.task.status, done.task.attempt_count) == (TaskStatus.COMPLETED, 2)
    landed = await queue.read(lambda stores: stores.landings.of_task(done.task.id))
    assert [one.state for one in landed] == [LandingState.CONFLICTED, LandingState.LANDED]
    assert await queue.db.check() == []


async def test_a_task_that_starts_afresh_forgets_why_its_work_was_sent_back(
    queue: Queue,
) -> None:
    await wanted(queue)
    failed = await queue.refuse(await queue.lander(), max_rework=0)
    await queue.retry(failed.task)
    again = await queue.claim_one()
    assert (again.task.rework_count, again.attempt.feedback) == (0, None)


# What isn't claimed


async def test_a_held_target_is_passed_over_by_a_batch_and_comes_whole_afterwards(
    queue: Queue,
) -> None:
    for target, priority in (("main", 9), ("main", 8), ("side", 1)):
        await queue.submit(priority=priority)
        await queue.succeed(await queue.claim_one(), target)
    hold = Hold(
        id="h",
        scope=HoldScope.TARGET,
        name="main",
        cause=HoldCause.PERSON,
        reason="",
        hold_until=None,
        created_by="cli:eve",
        created_at=queue.now,
    )
    await queue.write(pausing.pause, hold)
    # Of another scope with the name of the other target, and of its budget: what is done lands.
    for more in ({"scope": HoldScope.AGENT_TYPE}, {"cause": HoldCause.BUDGET}):
        await queue.write(pausing.pause, changed(hold, id=f"h{more}", name="side", **more))
    assert await choices(queue) == ["side"]
    assert [one.target for one in await queue.claim_landings()] == ["side"]
    assert await choices(queue) == []
    assert await queue.claim_landings() == []
    await queue.write(pausing.resume, HoldScope.TARGET, "main", now=queue.now, actor="cli:eve")
    assert await choices(queue) == ["main", "main"]
    assert [one.target for one in await queue.claim_landings()] == ["main", "main"]


async def test_nothing_is_begun_on_a_closed_target_but_what_was_begun_is_finished(
    queue: Queue,
) -> None:
    await wanted(queue)
    await wanted(queue, target="side")
    claim = functools.partial(
        landings.claim_landings, worker_id="w1", limit=8, lease=queue.lease, closed={"main"}
    )
    assert [one.target for one in await queue.write(claim, now=queue.now)] == ["side"]
    assert await queue.write(claim, now=queue.now) == []
    assert [one.target for one in await queue.claim_landings()] == ["main"]
    queue.pass_time(queue.lease.total_seconds() + 1)
    again = [*await queue.write(claim, now=queue.now), *await queue.write(claim, now=queue.now)]
    assert sorted(one.target for one in again) == ["main", "side"]


async def choices(queue: Queue) -> list[str]:
    """What reading alone says could be claimed."""
    return [one.target for one in await queue.read(landings.claimable, queue.now)]


async def test_what_waits_behind_a_live_lander_is_nothing_to_claim_until_its_lease_is_over(
    queue: Queue,
) -> None:
    await wanted(queue)
    await queue.lander("w1")
    await wanted(queue)
    assert await choices(queue) == []
    assert await queue.claim_landings(worker="w2") == []
    queue.pass_time(queue.lease.total_seconds() + 1)
    assert await choices(queue) == ["main", "main"]
