"""What a worker writes down about a run, and what becomes of the task when the run ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from abathur.domain.audit import Action
from abathur.domain.errors import (
    BranchTakenError,
    IntegrityViolation,
    NotFoundError,
    StaleFenceError,
)
from abathur.domain.landing import LandingState
from abathur.domain.runs import EventKind, Outcome, OutcomeKind, RunEvent, Usage
from abathur.domain.tasks import TaskStatus
from abathur.services import running
from abathur.services.claiming import Claim
from abathur.services.running import Holder, Report

if TYPE_CHECKING:
    from tests.conformance.conftest import Queue

Write = Callable[["Queue", Claim], Awaitable[Any]]

FACTS: dict[str, Any] = {
    "runtime": "claude",
    "model": "small",
    "session_id": "5a",
    "branch": "abathur/größe/1",
    "worktree_path": "/w/ö",
    "base_commit": "base",
    "transcript_path": "/t.jsonl",
}
FREE = (OutcomeKind.RELEASED, OutcomeKind.RATE_LIMITED, OutcomeKind.LOST)


async def claimed_task(queue: Queue, **fields: Any) -> Claim:
    await queue.submit(**fields)
    return await queue.claim_one()


async def add_process(queue: Queue, claimed: Claim) -> None:
    await queue.write(running.add_process, queue.holder(claimed), 4242, 1.25)


async def start(queue: Queue, claimed: Claim) -> None:
    await queue.start(claimed, **FACTS)


async def report_failure(queue: Queue, claimed: Claim) -> None:
    await queue.end(claimed)


async def report_success(queue: Queue, claimed: Claim) -> None:
    await queue.succeed(claimed)


# The run


async def test_the_start_of_a_run_is_written_down(queue: Queue) -> None:
    claimed = await claimed_task(queue)
    queue.pass_time(1)
    await queue.start(claimed, **FACTS)
    attempt = await queue.attempt(claimed)
    assert {name: getattr(attempt, name) for name in FACTS} == FACTS
    task = await queue.task(claimed.task)
    assert (task.task_branch, task.worktree_path) == (FACTS["branch"], FACTS["worktree_path"])
    assert (task.status, task.fence) == (TaskStatus.RUNNING, claimed.task.fence)
    agents = await queue.read(lambda stores: stores.workers.agents(task.id))
    assert agents == [queue.agent(claimed)]
    assert (await queue.audit(task))[-1].action_type is Action.ATTEMPT_STARTED


async def test_the_process_of_a_run_is_written_down(queue: Queue) -> None:
    claimed = await claimed_task(queue)
    await add_process(queue, claimed)
    attempt = await queue.attempt(claimed)
    assert (attempt.pid, attempt.pid_started_at) == (4242, 1.25)


async def test_events_are_kept_in_order_and_each_once(queue: Queue) -> None:
    claimed = await claimed_task(queue)
    task_id = claimed.task.id
    at = queue.now
    first = RunEvent(EventKind.TEXT, "grüße 🐛", {"a": [None, {"b": 1}]})
    second = RunEvent(EventKind.END)
    await queue.write(running.add_events, task_id, 1, [(2, at, second), (1, at, first)])
    await queue.write(running.add_events, task_id, 1, [(1, at, second), (2, at, first)])
    found = await queue.read(lambda stores: stores.attempts.events(task_id, 1))
    assert found == [(1, at, first), (2, at, second)]
    after = await queue.read(lambda stores: stores.attempts.events(task_id, 1, 1))
    assert after == [(2, at, second)]
    one = await queue.read(lambda stores: stores.attempts.events(task_id, 1, limit=1))
    assert one == [(1, at, first)]
    last = await queue.read(lambda stores: stores.attempts.last_events(task_id, 1))
    assert last == [(2, at, second)]
    both = await queue.read(lambda stores: stores.attempts.last_events(task_id, 1, 2))
    assert both == found


async def test_events_of_an_unknown_attempt_are_refused(queue: Queue) -> None:
    claimed = await claimed_task(queue)
    event = (1, queue.now, RunEvent(EventKind.TEXT))
    with pytest.raises(IntegrityViolation):
        await queue.write(running.add_events, claimed.task.id, 2, [event])


async def test_evidence_is_taken_from_a_worker_that_lost_its_lease(queue: Queue) -> None:
    claimed = await claimed_task(queue)
    task_id = claimed.task.id
    await queue.adopt(claimed.task)
    event = (1, queue.now, RunEvent(EventKind.TEXT, "late"))
    await queue.write(running.add_events, task_id, 1, [event])
    await queue.write(running.add_salvage, task_id, 1, "refs/s/1", "c0ffee", queue.now)
    attempt = await queue.attempt(claimed)
    assert (attempt.salvage_ref, attempt.head_commit) == ("refs/s/1", "c0ffee")
    assert await queue.read(lambda stores: stores.attempts.events(task_id, 1)) == [event]


async def test_the_same_salvage_is_told_once(queue: Queue) -> None:
    claimed = await claimed_task(queue)
    for _ in range(2):
        await queue.write(running.add_salvage, claimed.task.id, 1, "r", "c", queue.now)
    told = [entry.action_type for entry in await queue.audit(claimed.task)]
    assert told.count(Action.WORK_SALVAGED) == 1


async def test_a_run_that_nobody_knows_is_named(queue: Queue) -> None:
    claimed = await claimed_task(queue)
    unknown = Holder(claimed.task.id, 7, claimed.task.fence, "w1")
    with pytest.raises(NotFoundError, match=f"attempt 7 .*{claimed.task.id}"):
        await queue.write(running.add_process, unknown, 1, 1.0)


# Fences


@pytest.mark.parametrize("write", [start, add_process, report_failure, report_success])
@pytest.mark.parametrize("taken", ["cancelled", "adopted", "claimed again", "landing"])
async def test_a_writer_that_lost_its_task_is_refused_and_nothing_is_written(
    queue: Queue, write: Write, taken: str
) -> None:
    claimed = await claimed_task(queue)
    match taken:
        case "cancelled":
            await queue.cancel(claimed.task)
        case "adopted":
            await queue.adopt(claimed.task)
        case "claimed again":
            await queue.end(claimed, OutcomeKind.RELEASED)
            await queue.claim_one("w1")
        case "landing":
            await queue.succeed(claimed)
    before = await queue.contents()
    with pytest.raises(StaleFenceError):
        await write(queue, claimed)
    assert await queue.contents() == before


@pytest.mark.parametrize("step", [-1, 1])
async def test_a_row_is_saved_only_under_the_fence_that_it_has(queue: Queue, step: int) -> None:
    claimed = await claimed_task(queue)
    landing = await queue.succeed(await claimed_task(queue))
    before = await queue.contents()
    task = replace(claimed.task, error_message="mine")
    with pytest.raises(StaleFenceError):
        await queue.write(lambda stores: stores.tasks.save(task, task.fence + step))
    with pytest.raises(StaleFenceError):
        await queue.write(lambda stores: stores.landings.save(landing, landing.fence + step))
    assert await queue.contents() == before


async def test_a_late_report_is_taken_as_long_as_nobody_else_took_the_task(queue: Queue) -> None:
    claimed = await claimed_task(queue)
    queue.pass_time(10_000)
    await queue.succeed(claimed)
    assert (await queue.task(claimed.task)).worker_id is None


# The end of a run


async def test_the_end_of_a_run_is_written_down(queue: Queue) -> None:
    claimed = await claimed_task(queue)
    await queue.start(claimed, **FACTS)
    queue.pass_time(5)
    usage = Usage(input_tokens=1, cost_usd=0.25)
    outcome = Outcome(kind=OutcomeKind.FAILED, message="größer 🐛", usage=usage, exit_code=-9)
    report = Report(outcome=outcome, head_commit="head")
    holder = queue.holder(claimed)
    await queue.write(running.report, holder, report, queue.policy, queue.now)
    attempt = await queue.attempt(claimed)
    assert (attempt.outcome, attempt.ended_at) == (OutcomeKind.FAILED, queue.now)
    assert (attempt.exit_code, attempt.error_message) == (-9, "größer 🐛")
    assert (attempt.usage, attempt.head_commit) == (usage, "head")
    (agent,) = await queue.read(lambda stores: stores.workers.agents(claimed.task.id))
    assert agent.terminated_at == queue.now
    assert await queue.read(lambda stores: stores.attempts.unended()) == []


async def test_success_asks_for_a_landing_and_lets_go_of_the_worker(queue: Queue) -> None:
    claimed = await claimed_task(queue)
    result = {"größe": [1, {"a": None}]}
    landing = await queue.succeed(claimed, "release", result)
    assert (landing.state, landing.target) == (LandingState.QUEUED, "release")
    assert (landing.task_id, landing.attempt) == (claimed.task.id, 1)
    assert (landing.rank, landing.requested_at) == (claimed.task.rank, queue.now)
    task = await queue.task(claimed.task)
    assert (task.status, task.worker_id, task.lease_until) == (TaskStatus.RUNNING, None, None)
    assert (task.result_data, task.fence) == (result, claimed.task.fence + 1)
    assert await queue.db.check() == []


async def test_a_task_fails_only_after_its_last_retry_and_waits_longer_each_time(
    queue: Queue,
) -> None:
    task = await queue.submit(max_retries=4)
    waits = []
    for number in range(1, 5):
        again = await queue.end(await queue.claim_one(), message=f"failure {number}")
        assert (again.status, again.retry_count) == (TaskStatus.PENDING, number)
        assert again.error_message == f"failure {number}"
        assert again.not_before is not None
        waits.append((again.not_before - queue.now).total_seconds())
        assert await queue.claim() == []
        queue.now = again.not_before
    assert waits == [10, 20, 40, 60]
    failed = await queue.end(await queue.claim_one(), message="the last one")
    assert failed == await queue.task(task)
    assert (failed.status, failed.retry_count) == (TaskStatus.FAILED, 4)
    assert (failed.attempt_count, failed.completed_at) == (5, queue.now)
    assert (failed.error_message, failed.worker_id) == ("the last one", None)


async def test_a_time_out_is_charged_like_a_failure(queue: Queue) -> None:
    again = await queue.end(await claimed_task(queue, max_retries=1), OutcomeKind.TIMED_OUT)
    assert (again.status, again.retry_count) == (TaskStatus.PENDING, 1)


async def test_failing_takes_along_all_that_waits_but_only_at_the_end(queue: Queue) -> None:
    root = await queue.submit(max_retries=1)
    child = await queue.submit(root)
    grandchild = await queue.submit(child, await queue.submit())
    other = await queue.submit()
    await queue.end(await queue.claim_one())
    assert await queue.statuses(child, grandchild) == [TaskStatus.BLOCKED] * 2
    queue.pass_time(10)
    claims = {one.task.id: one for one in await queue.claim(3)}
    await queue.end(claims[root.id])
    assert await queue.statuses(root, child, grandchild, other) == [
        TaskStatus.FAILED,
        TaskStatus.CANCELLED,
        TaskStatus.CANCELLED,
        TaskStatus.RUNNING,
    ]
    for task in (await queue.task(child), await queue.task(grandchild)):
        assert (task.cancelled_by, task.completed_at) == (root.id, queue.now)
        assert task.error_message == f"cancelled because task {root.id} failed"


@pytest.mark.parametrize("kind", FREE)
async def test_what_isnt_the_tasks_doing_spends_no_retry(queue: Queue, kind: OutcomeKind) -> None:
    task = await queue.submit(max_retries=0)
    for number in range(1, 4):
        again = await queue.end(await queue.claim_one(), kind)
        assert again.status in {TaskStatus.READY, TaskStatus.PENDING}
        assert (again.retry_count, again.attempt_count) == (0, number)
        queue.now = again.not_before or queue.now
    assert (await queue.end(await queue.claim_one())).id == task.id
    assert await queue.statuses(task) == [TaskStatus.FAILED]


async def test_a_released_task_is_ready_at_once(queue: Queue) -> None:
    again = await queue.end(await claimed_task(queue), OutcomeKind.RELEASED)
    assert (again.status, again.not_before) == (TaskStatus.READY, None)


async def test_a_limited_task_waits_as_long_as_the_provider_says(queue: Queue) -> None:
    claimed = await claimed_task(queue)
    again = await queue.end(claimed, OutcomeKind.RATE_LIMITED, retry_after_seconds=90.0)
    assert again.status is TaskStatus.PENDING
    assert again.not_before == queue.now + timedelta(seconds=90)


async def test_losses_in_a_row_are_forgotten_after_any_other_end(queue: Queue) -> None:
    await queue.submit()
    for kind, lost in [(OutcomeKind.LOST, 1), (OutcomeKind.LOST, 2), (OutcomeKind.RELEASED, 0)]:
        again = await queue.end(await queue.claim_one(), kind)
        assert again.lost_count == lost


async def test_finishing_the_last_prerequisite_makes_the_dependant_ready(queue: Queue) -> None:
    a, b = await queue.submit(), await queue.submit()
    task = await queue.submit(a, b)
    first, second = await queue.claim(2)
    await queue.land(first)
    found = await queue.task(task)
    assert (found.status, found.unmet_count) == (TaskStatus.BLOCKED, 1)
    concluded = await queue.land(second)
    assert [one.id for one in concluded.released] == [task.id]
    found = await queue.task(task)
    assert (found.status, found.unmet_count) == (TaskStatus.READY, 0)


async def test_a_dependant_for_later_becomes_pending_when_its_prerequisite_is_completed(
    queue: Queue,
) -> None:
    later = queue.now + timedelta(hours=1)
    task = await queue.submit(await queue.submit(), not_before=later)
    await queue.complete_next()
    found = await queue.task(task)
    assert (found.status, found.not_before) == (TaskStatus.PENDING, later)


async def test_two_attempts_can_not_be_given_the_same_branch(queue: Queue) -> None:
    await queue.submit()
    await queue.submit()
    first, second = await queue.claim(2)
    await queue.start(first, branch="task/same/1")
    with pytest.raises(BranchTakenError, match="task/same/1"):
        await queue.start(second, branch="task/same/1")
    await queue.start(second, branch="task/same/2")
