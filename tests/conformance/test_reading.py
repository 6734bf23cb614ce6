"""What the front doors read."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from abathur.domain.agents import Worker
from abathur.domain.errors import AmbiguousIdError, InvalidInputError, NotFoundError
from abathur.domain.landing import LandingState
from abathur.domain.priority import Position, calculated_priority
from abathur.domain.runs import EventKind, OutcomeKind, RunEvent
from abathur.domain.tasks import NewTask, Task, TaskSource, TaskStatus
from abathur.ports.stores import Edge, TaskFilter
from abathur.services import reading, running, submitting

if TYPE_CHECKING:
    from tests.conformance.conftest import Queue

S = TaskStatus


def alive(_: Worker) -> bool:
    return True


async def select(queue: Queue, **where: Any) -> list[str]:
    found = await queue.read(reading.list_tasks, TaskFilter(**where))
    return [task.id for task in found]


def ids(*tasks: Task) -> list[str]:
    return [task.id for task in tasks]


async def add(queue: Queue, task_id: str) -> Task:
    new = NewTask(prompt="x")
    done = await queue.write(submitting.submit, new, task_id=task_id, now=queue.now, actor="a")
    return done.task


# Ids


async def test_a_unique_prefix_stands_for_the_task(queue: Queue) -> None:
    task = await add(queue, "abcd1234-0000-7000-8000-000000000000")
    await add(queue, "abce1234-0000-7000-8000-000000000000")
    for text in ("abcd", " ABCD1234-0 ", task.id):
        assert await queue.read(reading.resolve_id, text) == task.id
        assert await queue.read(reading.get_task, text) == task


async def test_an_ambiguous_prefix_names_some_candidates(queue: Queue) -> None:
    made = [await add(queue, f"abc{n}0000-0000-7000-8000-000000000000") for n in range(7)]
    with pytest.raises(AmbiguousIdError) as caught:
        await queue.read(reading.resolve_id, "abc")
    assert caught.value.candidates == tuple(ids(*made)[:5])


async def test_an_unknown_prefix_is_named(queue: Queue) -> None:
    await queue.submit()
    with pytest.raises(NotFoundError, match="`fff`"):
        await queue.read(reading.resolve_id, "fff")


@pytest.mark.parametrize("text", ["", "  ", "xyz", "%", "_", "ab*", "\u0661"])
async def test_what_cant_be_an_id_is_refused(queue: Queue, text: str) -> None:
    await queue.submit()
    with pytest.raises(InvalidInputError):
        await queue.read(reading.resolve_id, text)


# Lists


async def test_tasks_are_listed_by_every_condition(queue: Queue) -> None:
    parent = await queue.submit()
    task = await queue.submit(
        parent,
        agent_type="reviewer",
        source=TaskSource.AGENT_PLANNER,
        feature_branch="feature/x",
        parent_task_id=parent.id,
        prompt="Mind the GAP",
    )
    other = await queue.submit(summary="gap", not_before=queue.now + timedelta(hours=1))
    assert await select(queue) == ids(parent, task, other)
    assert await select(queue, status=S.BLOCKED) == ids(task)
    assert await select(queue, exclude_status=S.BLOCKED) == ids(parent, other)
    assert await select(queue, agent_type="reviewer") == ids(task)
    assert await select(queue, source=TaskSource.AGENT_PLANNER) == ids(task)
    assert await select(queue, feature_branch="feature/x") == ids(task)
    assert await select(queue, parent_task_id=parent.id) == ids(task)
    assert await select(queue, text="gap") == ids(task, other)
    assert await select(queue, text="gap", status=S.BLOCKED) == ids(task)
    assert await select(queue, text="lap", status=S.BLOCKED) == []
    assert await select(queue, status=S.FAILED) == []
    assert await queue.read(reading.list_tasks, TaskFilter(status=S.BLOCKED)) == [task]


@pytest.mark.parametrize("text", ["100%", "a_b", "c\\d"])
async def test_a_text_is_looked_for_as_it_stands(queue: Queue, text: str) -> None:
    task = await queue.submit(prompt=f"so {text} it is")
    await queue.submit(prompt="100 a-b c-d ab cd")
    assert await select(queue, text=text) == ids(task)


async def test_lists_come_page_by_page(queue: Queue) -> None:
    tasks = [await queue.submit() for _ in range(5)]
    assert await select(queue, limit=2) == ids(*tasks[:2])
    assert await select(queue, limit=2, after_id=tasks[1].id) == ids(*tasks[2:4])
    assert await select(queue, status=S.READY, limit=9, after_id=tasks[3].id) == ids(tasks[4])
    everything = await queue.read(reading.all_tasks)
    assert ids(*everything) == ids(*tasks)
    some = await queue.read(reading.all_tasks, {tasks[3].id, tasks[1].id, "missing"})
    assert ids(*some) == ids(tasks[1], tasks[3])


# One task


async def test_the_detail_of_a_task_holds_its_surroundings(queue: Queue) -> None:
    first = await queue.submit()
    task = await queue.submit(first, priority=8)
    last = await queue.submit(task)
    await queue.complete_next()
    await queue.end(await queue.claim_one(), OutcomeKind.RELEASED)
    landing = await queue.succeed(await queue.claim_one())
    detail = await queue.read(reading.task_detail, task.id, queue.now)
    assert detail.task == await queue.task(task)
    assert ids(*detail.prerequisites) == [first.id]
    assert ids(*detail.dependents) == [last.id]
    assert [attempt.number for attempt in detail.attempts] == [1, 2]
    assert detail.landings == [landing]
    position = Position(priority=8, depth=1, blocking=1, source=TaskSource.HUMAN)
    assert detail.calculated_priority == calculated_priority(position, None, None, queue.now)


async def test_finished_dependents_dont_count_for_the_priority(queue: Queue) -> None:
    task = await queue.submit()
    alone = await queue.read(reading.priority_of, task, queue.now)
    dependent = await queue.submit(task)
    assert await queue.read(reading.priority_of, task, queue.now) > alone
    await queue.cancel(dependent)
    assert await queue.read(reading.priority_of, task, queue.now) == alone


async def test_how_many_are_ahead_is_how_many_are_claimed_before(queue: Queue) -> None:
    tasks = [await queue.submit(priority=priority) for priority in (5, 9, 5, 1)]

    async def ahead() -> list[int]:
        return await queue.read(lambda stores: [stores.tasks.ahead(task) for task in tasks])

    assert await ahead() == [1, 0, 2, 3]
    await queue.claim_one()
    assert await ahead() == [0, 0, 1, 2]


async def test_a_task_is_explained_by_what_holds_it(queue: Queue) -> None:
    first = await queue.submit(prompt="The first")
    task = await queue.submit(first)
    found, told = await queue.read(reading.explain_task, task.id, queue.now, alive)
    assert found == task
    assert first.id[:13] in told.summary
    await queue.cancel(first)
    found, told = await queue.read(reading.explain_task, task.id, queue.now, alive)
    assert found.status is S.CANCELLED
    assert first.id[:13] in told.summary


@pytest.mark.parametrize("status", list(S))
async def test_every_status_is_explained(queue: Queue, status: TaskStatus) -> None:
    task = await queue.submit(max_retries=int(status is S.PENDING))
    match status:
        case S.BLOCKED:
            task = await queue.submit(task)
        case S.RUNNING:
            await queue.claim_one()
        case S.COMPLETED:
            await queue.complete_next()
        case S.FAILED | S.PENDING:
            await queue.end(await queue.claim_one())
        case S.CANCELLED:
            await queue.cancel(task)
    found, told = await queue.read(reading.explain_task, task.id, queue.now, alive)
    assert found.status is status
    assert told.summary
    assert told.next_step


# The swarm


async def test_an_empty_queue_is_idle(queue: Queue) -> None:
    status = await queue.read(reading.swarm_status)
    assert status.is_idle
    assert status.counts == dict.fromkeys(S, 0)
    assert [worker.id for worker in status.workers] == ["w1", "w2"]
    assert (list(status.running), list(status.landings), status.next_due) == ([], [], None)


async def test_the_status_shows_runs_and_landings(queue: Queue) -> None:
    await queue.submit()
    landing = await queue.succeed(await queue.claim_one())
    second = await queue.submit()
    claimed = await queue.claim_one()
    event = RunEvent(EventKind.TEXT, "working")
    await queue.write(running.add_events, second.id, 1, [(1, queue.now, event)])
    due = queue.now + timedelta(hours=1)
    await queue.submit(second, not_before=due)
    await queue.submit(not_before=due)
    status = await queue.read(reading.swarm_status)
    assert not status.is_idle
    assert status.next_due == due
    counts = {S.RUNNING: 2, S.BLOCKED: 1, S.PENDING: 1}
    assert status.counts == {one: counts.get(one, 0) for one in S}
    lands, runs = status.running
    assert (lands.landing, lands.last_event) == (landing, None)
    assert (runs.task, runs.attempt, runs.landing) == (claimed.task, claimed.attempt, None)
    assert (runs.last_event, runs.last_event_at) == (event, queue.now)
    assert list(status.landings) == [landing]


@pytest.mark.parametrize("is_idle", [True, False])
async def test_a_queue_is_idle_when_nothing_will_move_by_itself(
    queue: Queue, is_idle: bool
) -> None:
    await queue.submit(max_retries=0 if is_idle else 1)
    await queue.end(await queue.claim_one())
    assert (await queue.read(reading.swarm_status)).is_idle is is_idle


async def test_workers_that_said_that_they_stopped_arent_shown(queue: Queue) -> None:
    await queue.write(lambda stores: stores.workers.mark_stopped("w1", queue.now))
    status = await queue.read(reading.swarm_status)
    assert [worker.id for worker in status.workers] == ["w2"]


async def test_ended_landings_are_listed_newest_first(queue: Queue) -> None:
    for _ in range(3):
        await queue.submit()
        queue.pass_time(1)
        await queue.complete_next()
    found = await queue.read(lambda stores: stores.landings.recent(2))
    assert [one.state for one in found] == [LandingState.LANDED] * 2
    assert [one.ended_at for one in found] == [queue.now, queue.now - timedelta(seconds=1)]


# The plan


async def test_the_plan_shows_batches_and_the_longest_chain(queue: Queue) -> None:
    done = await queue.submit()
    await queue.complete_next()
    a = await queue.submit(done, estimated_duration_seconds=10)
    b = await queue.submit(a, estimated_duration_seconds=1)
    c = await queue.submit(a)
    d = await queue.submit(b, c, estimated_duration_seconds=5)
    plan = await queue.read(reading.execution_plan)
    assert [sorted(batch) for batch in plan.batches] == [ids(a), ids(b, c), ids(d)]
    assert list(plan.critical_path) == ids(a, c, d)
    assert plan.critical_seconds == 615
    assert set(plan.tasks) == set(ids(a, b, c, d))
    part = await queue.read(reading.execution_plan, ids(b, d))
    assert list(part.batches) == [ids(b), ids(d)]
    edges = await queue.read(lambda stores: stores.graph.edges())
    assert {Edge(a.id, b.id), Edge(done.id, a.id)} <= set(edges)
    assert len(edges) == 5
