"""Ending tasks on request, and starting ended ones again."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from abathur.domain.audit import Action
from abathur.domain.errors import IllegalTransitionError, NotFoundError, StaleFenceError
from abathur.domain.landing import LandingState
from abathur.domain.runs import OutcomeKind
from abathur.domain.tasks import Task, TaskStatus
from abathur.services import cancelling

if TYPE_CHECKING:
    from tests.conformance.conftest import Queue

S = TaskStatus


async def waiting(queue: Queue, status: TaskStatus) -> Task:
    match status:
        case S.PENDING:
            return await queue.submit(not_before=queue.now + timedelta(hours=1))
        case S.BLOCKED:
            return await queue.submit(await queue.submit())
        case _:
            return await queue.submit()


def ids(tasks: object) -> list[str]:
    assert isinstance(tasks, list)
    return [task.id for task in tasks]


# Cancelling


@pytest.mark.parametrize("status", [S.PENDING, S.BLOCKED, S.READY])
async def test_a_waiting_task_is_cancelled(queue: Queue, status: TaskStatus) -> None:
    task = await waiting(queue, status)
    assert task.status is status
    queue.pass_time(1)
    (gone,) = await queue.cancel(task)
    assert gone == await queue.task(task)
    assert (gone.status, gone.completed_at) == (S.CANCELLED, queue.now)
    assert (gone.error_message, gone.cancelled_by) == ("cancelled on request", None)
    assert gone.fence > task.fence


async def test_the_reason_is_kept(queue: Queue) -> None:
    (gone,) = await queue.cancel(await queue.submit(), "no longer wanted")
    assert gone.error_message == "no longer wanted"


async def test_a_running_task_is_cancelled_with_its_attempt_and_agent(queue: Queue) -> None:
    task = await queue.submit()
    claimed = await queue.claim_one()
    await queue.start(claimed, branch="b")
    queue.pass_time(1)
    (gone,) = await queue.cancel(task)
    assert (gone.status, gone.worker_id, gone.lease_until) == (S.CANCELLED, None, None)
    attempt = await queue.attempt(claimed)
    assert (attempt.outcome, attempt.ended_at) == (OutcomeKind.CANCELLED, queue.now)
    (agent,) = await queue.read(lambda stores: stores.workers.agents(task.id))
    assert agent.terminated_at == queue.now
    assert await queue.read(lambda stores: stores.claims.held("w1")) == []
    with pytest.raises(StaleFenceError):
        await queue.succeed(claimed)


@pytest.mark.parametrize("taken", [False, True])
async def test_a_task_whose_merge_isnt_announced_is_cancelled_with_its_landing(
    queue: Queue, taken: bool
) -> None:
    task = await queue.submit()
    claimed = await queue.claim_one()
    landing = await queue.succeed(claimed)
    if taken:
        await queue.lander()
    await queue.cancel(task)
    ended = await queue.landing(landing.id)
    assert (ended.state, ended.ended_at) == (LandingState.CANCELLED, queue.now)
    assert (await queue.attempt(claimed)).outcome is OutcomeKind.SUCCEEDED
    assert await queue.claim_landing() is None
    assert await queue.db.check() == []


async def test_what_had_ended_before_stays_as_it_ended(queue: Queue) -> None:
    await queue.submit()
    first = await queue.claim_one()
    await queue.succeed(first)
    refused = (await queue.refuse(await queue.lander())).landing
    queue.pass_time(5)
    second = await queue.claim_one()
    before = await queue.attempt(first)
    await queue.cancel(second.task)
    assert await queue.landing(refused.id) == refused
    assert await queue.attempt(first) == before
    assert (await queue.attempt(second)).outcome is OutcomeKind.CANCELLED


@pytest.mark.parametrize("released", [False, True])
async def test_a_task_whose_merge_is_announced_cant_be_cancelled(
    queue: Queue, released: bool
) -> None:
    task = await queue.submit()
    await queue.succeed(await queue.claim_one())
    await queue.announce(await queue.lander())
    if released:
        queue.pass_time(60)
        await queue.lander("w2")
    before = await queue.contents()
    with pytest.raises(IllegalTransitionError, match="being merged into main"):
        await queue.cancel(task)
    assert await queue.contents() == before


async def test_a_completed_or_failed_task_cant_be_cancelled(queue: Queue) -> None:
    completed = await queue.submit()
    await queue.complete_next()
    failed = await queue.submit(max_retries=0)
    await queue.fail_next()
    for task in (completed, failed):
        with pytest.raises(IllegalTransitionError):
            await queue.cancel(task)


async def test_cancelling_again_changes_nothing(queue: Queue) -> None:
    task = await queue.submit()
    await queue.cancel(task)
    before = await queue.contents()
    assert await queue.cancel(task, "again") == []
    assert await queue.contents() == before


async def test_what_isnt_there_cant_be_cancelled_or_retried(queue: Queue) -> None:
    for use_case in (cancelling.cancel, cancelling.retry):
        with pytest.raises(NotFoundError, match="nothing-here"):
            await queue.write(use_case, "nothing-here", now=queue.now, actor="a")


async def test_cancelling_takes_along_all_that_waits_at_any_distance(queue: Queue) -> None:
    root = await queue.submit()
    left, right = await queue.submit(root), await queue.submit(root)
    bottom = await queue.submit(left, right)
    far = await queue.submit(bottom, await queue.submit())
    aside = await queue.submit()
    gone = await queue.cancel(root)
    assert gone[0].id == root.id
    assert sorted(ids(gone)) == ids([root, left, right, bottom, far])
    for task in (left, right, bottom, far):
        found = await queue.task(task)
        assert (found.status, found.cancelled_by) == (S.CANCELLED, root.id)
        assert found.error_message == f"cancelled because task {root.id} was cancelled"
    assert await queue.statuses(aside) == [S.READY]
    assert await queue.db.check() == []


async def test_what_was_cancelled_before_keeps_its_own_reason(queue: Queue) -> None:
    root = await queue.submit()
    child = await queue.submit(root)
    await queue.cancel(child, "mine")
    assert ids(await queue.cancel(root)) == [root.id]
    assert (await queue.task(child)).error_message == "mine"


# Retrying


async def test_a_failed_task_starts_afresh(queue: Queue) -> None:
    task = await queue.submit(max_retries=1)
    await queue.end(await queue.claim_one(), OutcomeKind.LOST)
    await queue.end(await queue.claim_one())
    queue.pass_time(10)
    failed = await queue.end(await queue.claim_one())
    assert (failed.status, failed.retry_count) == (S.FAILED, 1)
    queue.pass_time(1)
    (fresh,) = await queue.retry(task)
    assert fresh == await queue.task(task)
    assert (fresh.status, fresh.completed_at, fresh.error_message) == (S.READY, None, None)
    assert (fresh.retry_count, fresh.rework_count, fresh.lost_count) == (0, 0, 0)
    assert (fresh.attempt_count, fresh.started_at) == (3, failed.started_at)
    assert fresh.fence > failed.fence
    assert (await queue.end(await queue.claim_one())).retry_count == 1


async def test_a_cancelled_run_can_be_retried_while_its_old_worker_stays_refused(
    queue: Queue,
) -> None:
    task = await queue.submit()
    old = await queue.claim_one()
    await queue.cancel(task)
    await queue.retry(task)
    new = await queue.claim_one()
    assert (new.task.id, new.attempt.number) == (task.id, 2)
    with pytest.raises(StaleFenceError):
        await queue.end(old)
    await queue.land(new)
    assert await queue.statuses(task) == [S.COMPLETED]


@pytest.mark.parametrize("status", [S.PENDING, S.BLOCKED, S.READY])
async def test_a_waiting_task_cant_be_retried(queue: Queue, status: TaskStatus) -> None:
    task = await waiting(queue, status)
    queue.pass_time(2 * 3600)
    before = await queue.contents()
    with pytest.raises(IllegalTransitionError, match=f"{task.id} is {status}"):
        await queue.retry(task)
    assert await queue.contents() == before


@pytest.mark.parametrize("lands", [False, True])
async def test_a_running_task_cant_be_retried(queue: Queue, lands: bool) -> None:
    task = await queue.submit()
    claimed = await queue.claim_one()
    if lands:
        await queue.succeed(claimed)
    before = await queue.contents()
    with pytest.raises(IllegalTransitionError, match="running"):
        await queue.retry(task)
    assert await queue.contents() == before


async def test_a_completed_task_cant_be_retried(queue: Queue) -> None:
    task = await queue.submit()
    await queue.complete_next()
    with pytest.raises(IllegalTransitionError, match="completed"):
        await queue.retry(task)


@pytest.mark.parametrize("fails", [False, True])
async def test_a_retry_revives_what_was_taken_along(queue: Queue, fails: bool) -> None:
    root = await queue.submit(max_retries=0)
    left, right = await queue.submit(root), await queue.submit(root)
    bottom = await queue.submit(right, left)
    await (queue.fail_next() if fails else queue.cancel(root))
    revived = await queue.retry(root)
    assert revived[0].id == root.id
    assert sorted(ids(revived)) == ids([root, left, right, bottom])
    assert await queue.statuses(root, left, right, bottom) == [S.READY, *[S.BLOCKED] * 3]
    found = await queue.task(bottom)
    assert (found.cancelled_by, found.error_message, found.completed_at) == (None, None, None)
    assert await queue.db.check() == []
    await queue.complete_next()
    assert await queue.statuses(left, right, bottom) == [S.READY, S.READY, S.BLOCKED]


async def test_a_retry_leaves_what_is_dead_for_another_reason(queue: Queue) -> None:
    root, other = await queue.submit(), await queue.submit()
    both = await queue.submit(root, other)
    behind = await queue.submit(both)
    own = await queue.submit(root)
    await queue.cancel(own)
    await queue.cancel(root)
    await queue.cancel(other)
    assert ids(await queue.retry(root)) == [root.id]
    assert await queue.statuses(both, behind, own) == [S.CANCELLED] * 3


async def test_a_task_that_waits_for_a_dead_one_cant_be_retried(queue: Queue) -> None:
    root = await queue.submit()
    child = await queue.submit(root)
    await queue.cancel(root)
    before = await queue.contents()
    with pytest.raises(IllegalTransitionError, match=f"abathur task retry {root.id}"):
        await queue.retry(child)
    assert await queue.contents() == before


async def test_prerequisites_that_were_completed_meanwhile_are_remembered(queue: Queue) -> None:
    first, second = await queue.submit(), await queue.submit()
    task = await queue.submit(first, second)
    await queue.cancel(task)
    await queue.complete_next()
    (fresh,) = await queue.retry(task)
    assert (fresh.status, fresh.unmet_count) == (S.BLOCKED, 1)
    await queue.complete_next()
    assert await queue.statuses(task) == [S.READY]
    assert await queue.db.check() == []


async def test_what_was_cancelled_stays_so_when_its_last_prerequisite_is_completed(
    queue: Queue,
) -> None:
    task = await queue.submit(await queue.submit())
    await queue.cancel(task)
    await queue.complete_next()
    gone = await queue.task(task)
    assert (gone.status, gone.unmet_count) == (S.CANCELLED, 0)
    assert (await queue.audit(task))[-1].action_type is Action.PREREQUISITE_COMPLETED


async def test_a_retried_task_that_is_for_later_waits_for_its_time(queue: Queue) -> None:
    later = queue.now + timedelta(hours=1)
    task = await queue.submit(not_before=later)
    await queue.cancel(task)
    (fresh,) = await queue.retry(task)
    assert (fresh.status, fresh.not_before) == (S.PENDING, later)
