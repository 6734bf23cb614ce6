"""Tasks from outside, pages and sums, on every engine."""

from dataclasses import replace
from typing import Any

import pytest

from abathur.domain.delegation import Caller, RunKey
from abathur.domain.errors import DependencyCycleError, RefusedError
from abathur.domain.settings import McpSettings
from abathur.domain.tasks import NewTask, Task, TaskStatus
from abathur.ports.overview import PageFilter
from abathur.services import delegating, overview
from abathur.services.delegating import Order
from tests.conformance.conftest import Queue

PERSON = Caller(name="ada")


def order(name: str, *needs: str, **fields: Any) -> Order:
    return Order(name=name, needs=needs, new=NewTask(prompt=name, feature_branch="main", **fields))


async def enqueue(queue: Queue, *orders: Order, caller: Caller = PERSON) -> dict[str, Task]:
    done = await queue.write(
        delegating.enqueue,
        orders,
        caller=caller,
        limits=McpSettings(max_tasks=4, max_usd=10),
        new_id=queue.new_id,
        now=queue.now,
    )
    return {name: one.task for name, one in done}


async def test_a_graph_is_queued_in_an_order_in_which_it_can_run(queue: Queue) -> None:
    first = await queue.submit()
    last = replace(order("last", "left", "right"), prerequisites=(first.id[:10],))
    made = await enqueue(queue, last, order("left", "root"), order("right", "root"), order("root"))
    assert [*made] == ["root", "left", "right", "last"]
    assert made["last"].dependency_depth == 2
    assert set(made["last"].prerequisites) == {made["left"].id, made["right"].id, first.id}
    assert made["root"].status is TaskStatus.READY
    assert made["last"].unmet_count == 3


async def test_nothing_is_queued_when_one_task_is_refused(queue: Queue) -> None:
    with pytest.raises(DependencyCycleError, match="a -> b -> a"):
        await enqueue(queue, order("free"), order("a", "b"), order("b", "a"))
    assert await queue.read(overview.totals, None) == []


async def test_a_run_adds_below_its_own_task_within_its_limits(queue: Queue) -> None:
    await queue.submit(feature_branch="main")
    claimed = await queue.claim_one()
    run = RunKey(claimed.task.id, claimed.attempt.number, claimed.attempt.fence)
    caller = Caller(name="", run=run)
    made = await enqueue(queue, order("a"), order("b"), caller=caller)
    assert {task.parent_task_id for task in made.values()} == {claimed.task.id}
    assert await queue.read(delegating.descends, made["a"], claimed.task.id)
    family = await queue.read(delegating.family_of, made["a"], 100)
    assert (family.depth, family.size) == (1, 2)
    with pytest.raises(RefusedError, match="max_tasks"):
        await enqueue(queue, order("c"), order("d"), order("e"), caller=caller)
    queue.pass_time(queue.lease.total_seconds() + 1)
    with pytest.raises(RefusedError, match="is over"):
        await enqueue(queue, order("c"), caller=caller)


async def test_pages_hold_every_task_once_by_importance(queue: Queue) -> None:
    for place in range(5):
        await queue.submit(priority=place % 2, feature_branch="main")
        queue.pass_time(1)
    seen: list[Task] = []
    where = PageFilter(limit=2, feature_branch="main")
    while True:
        page = await queue.read(overview.page, where, queue.now)
        seen += [task for task, _ in page.tasks]
        if page.next is None:
            break
        where = replace(where, after=page.next)
    assert [task.priority for task in seen] == [1, 1, 0, 0, 0]
    assert len({task.id for task in seen}) == 5
    in_order = [(-task.priority, task.submitted_at) for task in seen]
    assert in_order == sorted(in_order)


async def test_sums_are_told_by_target_status_and_agent_type(queue: Queue) -> None:
    first = await queue.submit(feature_branch="main", agent_type="writer", priority=4)
    await queue.submit(first, feature_branch="main", agent_type="tester", priority=6)
    await queue.submit(feature_branch="feature/x")
    await queue.submit()
    (blocked, ready) = await queue.read(overview.totals, "main")
    assert (blocked.status, blocked.tasks, blocked.depth) == (TaskStatus.BLOCKED, 1, 1)
    assert (ready.priorities, ready.earliest) == (4, first.submitted_at)
    by_target = await queue.read(overview.targets)
    assert [*by_target] == ["feature/x", "main"]
    summary = await queue.read(overview.target_summary, "main")
    assert [(one.agent_type, one.tasks, one.completed) for one in summary.agents] == [
        ("tester", 1, 0),
        ("writer", 1, 0),
    ]
    (stuck,) = await queue.read(overview.blockers, "main", 10)
    assert stuck.agent_type == "tester"
