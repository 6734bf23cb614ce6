"""Handing tasks out: in which order, for how long, and what becomes of those of a dead worker."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from abathur.domain.audit import Action
from abathur.domain.errors import IntegrityViolation, StaleFenceError
from abathur.domain.runs import OutcomeKind
from abathur.domain.tasks import TaskSource, TaskStatus
from abathur.services import claiming

if TYPE_CHECKING:
    from tests.conformance.conftest import Queue


async def renew(queue: Queue, worker: str = "w1", seconds: float = 60) -> claiming.Held:
    return await queue.write(
        claiming.renew, worker_id=worker, now=queue.now, lease=timedelta(seconds=seconds)
    )


async def test_a_claimed_task_is_running_and_held(queue: Queue) -> None:
    submitted = await queue.submit(max_retries=1)
    queue.pass_time(5)
    claimed = await queue.claim_one()
    task = await queue.task(submitted)
    assert claimed.task == task
    assert task.status is TaskStatus.RUNNING
    assert (task.worker_id, task.lease_until) == ("w1", queue.now + queue.lease)
    assert (task.fence, task.attempt_count) == (submitted.fence + 1, 1)
    assert (task.started_at, task.last_updated_at) == (queue.now, queue.now)


async def test_a_claim_begins_an_attempt(queue: Queue) -> None:
    await queue.submit()
    claimed = await queue.claim_one()
    attempt = await queue.attempt(claimed)
    assert attempt == claimed.attempt
    assert (attempt.number, attempt.fence, attempt.worker_id) == (1, claimed.task.fence, "w1")
    assert (attempt.started_at, attempt.lease_until) == (queue.now, claimed.task.lease_until)
    assert (attempt.ended_at, attempt.outcome, attempt.feedback) == (None, None, None)


async def test_a_later_attempt_keeps_the_first_start_and_forgets_the_old_error(
    queue: Queue,
) -> None:
    task = await queue.submit()
    first = await queue.claim_one()
    await queue.end(first, OutcomeKind.RELEASED, "stopping")
    queue.pass_time(1)
    second = await queue.claim_one()
    assert (second.task.id, second.attempt.number) == (task.id, 2)
    assert second.task.started_at == first.task.started_at
    assert second.attempt.started_at == queue.now
    assert second.task.error_message is None
    assert second.task.fence > first.task.fence


async def test_tasks_are_claimed_by_rank(queue: Queue) -> None:
    last = await queue.submit(priority=0, source=TaskSource.AGENT_IMPLEMENTATION)
    middle = await queue.submit(priority=5)
    first = await queue.submit(priority=10)
    urgent = await queue.submit(priority=0, deadline=queue.now)
    claims = await queue.claim(10)
    assert [one.task.id for one in claims] == [urgent.id, first.id, middle.id, last.id]
    assert [one.task.rank for one in claims] == sorted(one.task.rank for one in claims)


async def test_of_equal_ranks_the_smaller_id_goes_first(queue: Queue) -> None:
    tasks = [await queue.submit() for _ in range(5)]
    assert [one.task.id for one in await queue.claim(5)] == [task.id for task in tasks]


async def test_an_older_task_goes_before_a_younger_one_and_waiting_beats_priority(
    queue: Queue,
) -> None:
    old = await queue.submit(priority=5)
    queue.pass_time(31 * 60)
    young = await queue.submit(priority=6)
    assert [one.task.id for one in await queue.claim(2)] == [old.id, young.id]


async def test_a_claim_takes_no_more_than_asked_for_and_nothing_twice(queue: Queue) -> None:
    for _ in range(3):
        await queue.submit()
    assert await queue.claim(0) == []
    sizes = [len(await queue.claim(2)) for _ in range(3)]
    assert sizes == [2, 1, 0]


async def test_only_ready_tasks_are_claimed(queue: Queue) -> None:
    first = await queue.submit()
    await queue.submit(first)
    await queue.submit(not_before=queue.now + timedelta(seconds=1))
    await queue.cancel(await queue.submit())
    assert [one.task.id for one in await queue.claim(10)] == [first.id]


async def test_a_worker_that_nobody_knows_cant_claim(queue: Queue) -> None:
    await queue.submit()
    before = await queue.contents()
    with pytest.raises(IntegrityViolation):
        await queue.claim(1, "nobody")
    assert await queue.contents() == before


# Due tasks


async def test_a_claim_takes_what_has_become_due(queue: Queue) -> None:
    due = queue.now + timedelta(seconds=10)
    task = await queue.submit(not_before=due)
    queue.pass_time(9.999_999)
    assert await queue.claim() == []
    queue.pass_time(0.000_001)
    claimed = await queue.claim_one()
    assert (claimed.task.id, claimed.task.not_before) == (task.id, None)
    actions = [entry.action_type for entry in await queue.audit(task)]
    assert actions == [Action.TASK_SUBMITTED, Action.TASK_READY, Action.TASK_CLAIMED]


async def test_what_has_become_due_is_claimed_in_its_place_among_the_ready(queue: Queue) -> None:
    urgent = await queue.submit(priority=10, not_before=queue.now + timedelta(seconds=1))
    other = await queue.submit(priority=5)
    queue.pass_time(1)
    assert [one.task.id for one in await queue.claim()] == [urgent.id]
    assert [one.task.id for one in await queue.claim()] == [other.id]


async def test_the_next_due_time_is_that_of_the_first_pending_task(queue: Queue) -> None:
    assert await queue.read(lambda stores: stores.claims.next_due()) is None
    for seconds in (20, 10, 30):
        await queue.submit(not_before=queue.now + timedelta(seconds=seconds))
    first = await queue.read(lambda stores: stores.claims.next_due())
    assert first == queue.now + timedelta(seconds=10)
    assert not await queue.read(lambda stores: stores.claims.any_ready())


async def test_more_tasks_than_one_round_promotes_become_ready_round_by_round(
    queue: Queue,
) -> None:
    due = queue.now + timedelta(seconds=1)
    for _ in range(501):
        await queue.submit(not_before=due)
    queue.pass_time(1)
    # A claim makes a round too, and doesn't wait for the others.
    assert len(await queue.claim(3)) == 3
    rounds = [
        len(await queue.write(claiming.promote_due, queue.now, "worker:w1")) for _ in range(2)
    ]
    assert rounds == [1, 0]


# Leases


async def test_renewing_prolongs_everything_that_a_worker_holds(queue: Queue) -> None:
    mine, other = await queue.submit(), await queue.submit()
    claimed = await queue.claim_one("w1")
    await queue.claim_one("w2")
    queue.pass_time(30)
    held = await renew(queue)
    assert held.tasks == {mine.id: claimed.task.fence}
    assert (await queue.task(mine)).lease_until == queue.now + queue.lease
    untouched = (await queue.task(other)).lease_until
    assert untouched == queue.now + queue.lease - timedelta(seconds=30)
    assert held.worker is not None
    assert (held.worker.heartbeat_at, held.worker.lease_until) == (
        queue.now,
        queue.now + queue.lease,
    )


@pytest.mark.parametrize(("clock", "length"), [(-30, 60), (0, 1)])
async def test_renewing_never_shortens(queue: Queue, clock: float, length: float) -> None:
    task = await queue.submit()
    claimed = await queue.claim_one()
    await queue.succeed(claimed)
    held_landing = await queue.lander()
    task = await queue.submit()
    until = (await queue.claim_one()).task.lease_until
    queue.pass_time(clock)
    held = await renew(queue, seconds=length)
    assert (await queue.task(task)).lease_until == until
    assert (await queue.landing(held_landing.id)).lease_until == held_landing.lease_until
    assert held.worker is not None
    assert held.worker.lease_until == until


async def test_renewing_tells_which_landings_are_held(queue: Queue) -> None:
    await queue.submit()
    await queue.succeed(await queue.claim_one())
    landing = await queue.lander()
    queue.pass_time(30)
    held = await renew(queue)
    assert (held.tasks, held.landings) == ({}, {landing.id: landing.fence})
    assert (await queue.landing(landing.id)).lease_until == queue.now + queue.lease


async def test_what_was_lost_is_missing_from_what_is_held(queue: Queue) -> None:
    task = await queue.submit()
    await queue.claim_one("w1")
    await queue.cancel(task)
    assert (await renew(queue)).tasks == {}


async def test_an_unknown_worker_holds_nothing(queue: Queue) -> None:
    assert await renew(queue, "nobody") == claiming.Held({}, {}, None)


async def test_a_lease_is_over_at_its_very_end(queue: Queue) -> None:
    task = await queue.submit()
    await queue.claim_one()
    queue.pass_time(59.999_999)
    assert await queue.read(lambda stores: stores.claims.expired(queue.now)) == []
    queue.pass_time(0.000_001)
    expired = await queue.read(lambda stores: stores.claims.expired(queue.now))
    assert [one.id for one in expired] == [task.id]


async def test_a_task_on_its_way_to_the_target_has_no_lease_that_could_expire(
    queue: Queue,
) -> None:
    await queue.submit()
    await queue.succeed(await queue.claim_one())
    queue.pass_time(10_000)
    assert await queue.read(lambda stores: stores.claims.expired(queue.now)) == []
    assert await queue.read(lambda stores: stores.claims.held("w1")) == []


# Adopting


async def test_an_adopted_task_belongs_to_the_adopter_and_its_attempt_is_lost(
    queue: Queue,
) -> None:
    await queue.submit()
    claimed = await queue.claim_one("w1")
    await queue.start(claimed, branch="b", worktree_path="/w")
    queue.pass_time(61)
    task, (attempt,) = await queue.adopt(claimed.task, "w2")
    assert task == await queue.task(task)
    assert (task.status, task.worker_id) == (TaskStatus.RUNNING, "w2")
    assert (task.fence, task.lease_until) == (claimed.task.fence + 1, queue.now + queue.lease)
    assert attempt.worktree_path == "/w"
    lost = await queue.attempt(claimed)
    assert (lost.outcome, lost.ended_at) == (OutcomeKind.LOST, queue.now)
    assert lost.error_message == "worker w1 was gone"
    agents = await queue.read(lambda stores: stores.workers.agents(task.id))
    assert [agent.terminated_at for agent in agents] == [queue.now]


async def test_only_one_can_adopt(queue: Queue) -> None:
    await queue.submit()
    claimed = await queue.claim_one("w1")
    await queue.adopt(claimed.task, "w2")
    before = await queue.contents()
    with pytest.raises(StaleFenceError):
        await queue.adopt(claimed.task, "w1")
    assert await queue.contents() == before


async def test_an_adopter_that_dies_is_followed_by_another_and_the_loss_counts_once(
    queue: Queue,
) -> None:
    await queue.submit()
    claimed = await queue.claim_one("w1")
    first, _ = await queue.adopt(claimed.task, "w2")
    queue.pass_time(61)
    second, _ = await queue.adopt(first, "w1")
    ended = await queue.attempt(claimed)
    assert ended.ended_at == queue.now - timedelta(seconds=61)
    back = await queue.take_back(second, "w1")
    assert (back.status, back.lost_count) == (TaskStatus.READY, 1)


async def test_a_task_that_is_gone_cant_be_adopted(queue: Queue) -> None:
    task = await queue.submit()
    await queue.claim_one()
    await queue.cancel(task)
    with pytest.raises(StaleFenceError):
        await queue.adopt(task, "w2", fence=1)


async def test_taking_back_queues_the_task_again_without_spending_a_retry(queue: Queue) -> None:
    await queue.submit()
    claimed = await queue.claim_one("w1")
    task, _ = await queue.adopt(claimed.task, "w2")
    back = await queue.take_back(task)
    assert back.status is TaskStatus.READY
    assert (back.worker_id, back.lease_until, back.retry_count) == (None, None, 0)
    assert await queue.task(back) == back
    assert (await queue.claim_one("w2")).attempt.number == 2


async def test_taking_back_needs_the_fence_of_the_adoption(queue: Queue) -> None:
    await queue.submit()
    claimed = await queue.claim_one("w1")
    await queue.adopt(claimed.task, "w2")
    before = await queue.contents()
    with pytest.raises(StaleFenceError):
        await queue.take_back(claimed.task)
    assert await queue.contents() == before


async def test_a_task_that_loses_its_workers_in_a_row_has_to_wait(queue: Queue) -> None:
    await queue.submit(max_retries=0)
    for expected in (TaskStatus.READY, TaskStatus.READY, TaskStatus.PENDING):
        adopted, _ = await queue.adopt((await queue.claim_one("w1")).task, "w2")
        assert (await queue.take_back(adopted)).status is expected
    task = await queue.task(adopted)
    assert (task.lost_count, task.retry_count) == (3, 0)
    assert task.not_before == queue.now + timedelta(seconds=10)
