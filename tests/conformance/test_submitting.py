"""What a task looks like once it was submitted, and what is refused."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from abathur.domain.audit import Action
from abathur.domain.errors import (
    IdempotencyConflictError,
    IntegrityViolation,
    InvalidInputError,
    NotFoundError,
)
from abathur.domain.tasks import NewTask, TaskSource, TaskStatus
from abathur.services import submitting
from abathur.services.submitting import Submitted

if TYPE_CHECKING:
    from tests.conformance.conftest import Queue

LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)
FAR_AWAY = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
TEXTS = ("naïve Größe 多语言 🐛", "a\tb\r\n\u2028c", "'; DROP TABLE tasks; --", "\\%_ :name ?1 $x")
EMPTY = (
    "parent_task_id",
    "deadline",
    "estimated_duration_seconds",
    "result_data",
    "error_message",
    "feature_branch",
    "task_branch",
    "worktree_path",
    "idempotency_key",
    "created_by",
    "started_at",
    "completed_at",
    "not_before",
    "worker_id",
    "lease_until",
    "cancelled_by",
)
COUNTERS = ("fence", "attempt_count", "retry_count", "rework_count", "lost_count", "unmet_count")
NESTED: dict[str, Any] = {
    "": None,
    "ünï": [1, -2.5, 1e300, 2**70, True, False, None, [], {}, [[["deep"]]]],
    "a.b": {"c": {"d": "🐛 \u0000 \\ \" '"}},
}


async def submit(queue: Queue, new: NewTask) -> Submitted:
    return await queue.write(
        submitting.submit, new, task_id=queue.new_id(), now=queue.now, actor="cli:alice"
    )


async def test_every_field_is_stored_and_read_back(queue: Queue) -> None:
    parent = await queue.submit()
    needed = [await queue.submit(), await queue.submit()]
    new = NewTask(
        prompt=f"{TEXTS[0]}\n{TEXTS[1]}",
        summary=TEXTS[0],
        agent_type="code-reviewer_2",
        priority=10,
        source=TaskSource.AGENT_PLANNER,
        parent_task_id=parent.id,
        prerequisites=tuple(task.id for task in needed),
        not_before=queue.now + timedelta(microseconds=1),
        deadline=FAR_AWAY,
        estimated_duration_seconds=7,
        max_retries=0,
        max_execution_timeout_seconds=1,
        input_data=NESTED,
        feature_branch="feature/größe",
        idempotency_key=TEXTS[2],
        created_by=TEXTS[3],
        touches=("src/", "größe.txt"),
        may_overlap=True,
    )
    task = (await submit(queue, new)).task
    beside = {"touches", "may_overlap", "loop", "candidates"}  # in tables of their own
    for name in NewTask.__dataclass_fields__.keys() - beside:
        assert getattr(task, name) == getattr(new, name), name
    paths = await queue.read(lambda stores: stores.admission.paths(task.id))
    assert (set(paths.touches), paths.may_overlap) == (set(new.touches), True)
    assert await queue.task(task) == task
    assert (task.submitted_at, task.last_updated_at) == (queue.now, queue.now)
    assert (task.dependency_depth, task.unmet_count) == (1, 2)


async def test_what_isnt_given_is_read_back_as_nothing(queue: Queue) -> None:
    task = await queue.task(await queue.submit(prompt="  Do it \n at once"))
    assert {name: getattr(task, name) for name in EMPTY} == dict.fromkeys(EMPTY)
    assert {name: getattr(task, name) for name in COUNTERS} == dict.fromkeys(COUNTERS, 0)
    assert (task.summary, task.prompt) == ("Do it", "  Do it \n at once")
    assert (task.input_data, task.prerequisites) == ({}, ())


@pytest.mark.parametrize("text", TEXTS)
async def test_texts_come_back_as_they_were(queue: Queue, text: str) -> None:
    task = await queue.task(await queue.submit(prompt=text, idempotency_key=text, created_by=text))
    assert (task.prompt, task.idempotency_key, task.created_by) == (text, text, text)


@pytest.mark.parametrize("deadline", [LONG_AGO, FAR_AWAY])
async def test_times_far_away_keep_their_place_and_every_digit(
    queue: Queue, deadline: datetime
) -> None:
    task = await queue.task(await queue.submit(deadline=deadline))
    assert task.deadline == deadline


async def test_times_of_another_zone_are_stored_as_the_same_moment(queue: Queue) -> None:
    nepal = timezone(timedelta(hours=5, minutes=45))
    deadline = datetime(2030, 2, 1, 0, 15, tzinfo=nepal)
    task = await queue.task(await queue.submit(deadline=deadline))
    assert task.deadline == deadline
    assert task.deadline.isoformat() == "2030-01-31T18:30:00+00:00"


async def test_half_a_character_is_refused_and_nothing_is_written(queue: Queue) -> None:
    before = await queue.contents()
    with pytest.raises(InvalidInputError):
        await queue.submit(prompt="half \ud83d")
    with pytest.raises(InvalidInputError):
        await queue.submit(input_data={"half": "\udc1b"})
    assert await queue.contents() == before


async def test_a_task_without_conditions_is_ready(queue: Queue) -> None:
    assert (await queue.submit()).status is TaskStatus.READY


async def test_a_task_for_later_is_pending_and_one_whose_time_has_come_is_ready(
    queue: Queue,
) -> None:
    later = await queue.submit(not_before=queue.now + timedelta(microseconds=1))
    at_once = await queue.submit(not_before=queue.now)
    assert await queue.statuses(later, at_once) == [TaskStatus.PENDING, TaskStatus.READY]


async def test_a_task_with_an_unfinished_prerequisite_is_blocked_also_when_for_later(
    queue: Queue,
) -> None:
    first = await queue.submit()
    task = await queue.submit(first, not_before=queue.now + timedelta(hours=1))
    assert (task.status, task.unmet_count) == (TaskStatus.BLOCKED, 1)


async def test_completed_prerequisites_dont_block(queue: Queue) -> None:
    done = await queue.submit()
    await queue.complete_next()
    later = queue.now + timedelta(hours=1)
    assert (await queue.submit(done)).status is TaskStatus.READY
    assert (await queue.submit(done, not_before=later)).status is TaskStatus.PENDING
    half = await queue.submit(done, await queue.submit())
    assert (half.status, half.unmet_count, half.dependency_depth) == (TaskStatus.BLOCKED, 1, 1)
    assert await queue.db.check() == []


async def test_a_prerequisite_named_twice_counts_once(queue: Queue) -> None:
    first = await queue.submit()
    task = await queue.submit(first, first)
    assert (task.unmet_count, task.prerequisites) == (1, (first.id,))


async def test_depth_is_the_longest_chain_below(queue: Queue) -> None:
    a = await queue.submit()
    b = await queue.submit(a)
    assert (await queue.submit(a, b)).dependency_depth == 2


@pytest.mark.parametrize("end", ["fail", "cancel"])
async def test_a_prerequisite_that_ended_badly_is_refused(queue: Queue, end: str) -> None:
    dead = await queue.submit(max_retries=0)
    await (queue.fail_next() if end == "fail" else queue.cancel(dead))
    before = await queue.contents()
    with pytest.raises(InvalidInputError, match=dead.id):
        await queue.submit(dead)
    assert await queue.contents() == before


async def test_missing_prerequisites_and_parents_are_named(queue: Queue) -> None:
    there, missing = await queue.submit(), queue.new_id()
    before = await queue.contents()
    with pytest.raises(NotFoundError, match=f"{missing}.*prerequisite"):
        await submit(queue, NewTask(prompt="x", prerequisites=(there.id, missing)))
    with pytest.raises(NotFoundError, match=f"{missing}.*parent"):
        await submit(queue, NewTask(prompt="x", parent_task_id=missing))
    assert await queue.contents() == before


async def test_an_id_that_is_used_already_is_refused(queue: Queue) -> None:
    task = await queue.submit()
    before = await queue.contents()
    with pytest.raises(IntegrityViolation):
        await queue.write(
            submitting.submit, NewTask(prompt="x"), task_id=task.id, now=queue.now, actor="a"
        )
    assert await queue.contents() == before


async def test_a_dependent_moves_its_prerequisite_forward(queue: Queue) -> None:
    first, second = await queue.submit(), await queue.submit()
    await queue.submit(second)
    assert (await queue.task(second)).rank < (await queue.task(first)).rank
    assert (await queue.audit(second))[-1].action_type is Action.TASK_RERANKED
    assert (await queue.claim_one()).task.id == second.id


async def test_a_running_prerequisite_keeps_its_rank_and_fence(queue: Queue) -> None:
    first = await queue.submit()
    claimed = await queue.claim_one()
    await queue.submit(first)
    found = await queue.task(first)
    assert (found.rank, found.fence) == (first.rank, claimed.task.fence)


# Idempotency


async def test_the_same_key_returns_the_task_that_is_there(queue: Queue) -> None:
    new = NewTask(prompt="Do it", idempotency_key="k")
    first = await submit(queue, new)
    await queue.claim_one()
    before = await queue.contents()
    second = await submit(queue, replace(new, priority=9))
    assert (first.created, second.created) == (True, False)
    assert second.task == await queue.task(first.task)
    assert await queue.contents() == before


async def test_the_same_key_from_many_callers_at_once_creates_one_task(queue: Queue) -> None:
    new = NewTask(prompt="Do it", idempotency_key="k")
    answers = await asyncio.gather(*(submit(queue, new) for _ in range(50)))
    assert sum(answer.created for answer in answers) == 1
    assert len({answer.task.id for answer in answers}) == 1
    assert len(await queue.db.query("SELECT id FROM tasks")) == 1
    assert len(await queue.audit()) == 1


@pytest.mark.parametrize("other", [{"prompt": "Else"}, {"agent_type": "other"}])
async def test_the_same_key_for_other_work_is_refused(queue: Queue, other: dict[str, str]) -> None:
    new = NewTask(prompt="Do it", idempotency_key="k")
    known = await submit(queue, new)
    with pytest.raises(IdempotencyConflictError, match=known.task.id):
        await submit(queue, replace(new, **other))  # type: ignore[arg-type]


async def test_tasks_without_a_key_are_never_the_same(queue: Queue) -> None:
    assert (await queue.submit()).id != (await queue.submit()).id
