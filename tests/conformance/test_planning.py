"""Queueing a whole backlog: all of it or nothing, and any number of times."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from abathur.domain.errors import IntegrityViolation, PlanError
from abathur.domain.plans import Plan, PlannedTask
from abathur.domain.tasks import NewTask, TaskStatus
from abathur.services import planning
from abathur.services.planning import Applied

if TYPE_CHECKING:
    from tests.conformance.conftest import Queue


def plan_of(**needs: tuple[str, ...]) -> Plan:
    tasks = {
        name: PlannedTask(
            name=name,
            new=NewTask(prompt=f"Do {name}"),
            needs=needed,
            line=10 * number,
            needs_line=10 * number + 1,
        )
        for number, (name, needed) in enumerate(needs.items(), 1)
    }
    return Plan(name="p", file="plan.yaml", tasks=tasks)


def changed(plan: Plan, name: str, **fields: Any) -> Plan:
    planned = plan.tasks[name]
    other = replace(planned, new=replace(planned.new, **fields))
    return replace(plan, tasks={**plan.tasks, name: other})


async def apply(queue: Queue, plan: Plan) -> Applied:
    return await queue.write(
        planning.apply_plan, plan, new_id=queue.new_id, now=queue.now, actor="cli:alice"
    )


def ids(applied: Applied) -> dict[str, str]:
    return {name: submitted.task.id for name, submitted in applied.submitted}


async def test_a_plan_is_queued_in_an_order_in_which_it_can_run(queue: Queue) -> None:
    applied = await apply(queue, plan_of(last=("left", "right"), left=("a",), right=("a",), a=()))
    names = [name for name, _ in applied.submitted]
    assert (names[0], names[-1]) == ("a", "last")
    assert applied.created == 4
    by_name = ids(applied)
    last = await queue.task(by_name["last"])
    assert set(last.prerequisites) == {by_name["left"], by_name["right"]}
    assert (last.status, last.dependency_depth) == (TaskStatus.BLOCKED, 2)
    assert last.idempotency_key == "plan:p:last"
    assert (await queue.task(by_name["a"])).status is TaskStatus.READY
    assert await queue.db.check() == []


async def test_the_same_plan_again_changes_nothing(queue: Queue) -> None:
    plan = plan_of(a=(), b=("a",))
    first = await apply(queue, plan)
    before = await queue.contents()
    again = await apply(queue, plan)
    assert (again.created, ids(again)) == (0, ids(first))
    assert await queue.contents() == before


async def test_what_was_added_to_a_plan_is_queued_behind_what_is_there(queue: Queue) -> None:
    first = ids(await apply(queue, plan_of(a=(), b=("a",))))
    await queue.complete_next()
    more = await apply(queue, plan_of(a=(), b=("a",), c=("a",), d=("b",)))
    assert more.created == 2
    assert ids(more) | first == ids(more)
    added = [await queue.task(ids(more)[name]) for name in "cd"]
    assert [task.status for task in added] == [TaskStatus.READY, TaskStatus.BLOCKED]


async def test_a_task_that_is_there_keeps_its_prerequisites(queue: Queue) -> None:
    first = ids(await apply(queue, plan_of(a=(), b=("a",))))
    await apply(queue, plan_of(a=(), x=(), b=("a", "x")))
    assert (await queue.task(first["b"])).prerequisites == (first["a"],)


async def test_plans_of_other_names_are_other_tasks(queue: Queue) -> None:
    plan = plan_of(a=())
    await apply(queue, plan)
    assert (await apply(queue, replace(plan, name="q"))).created == 1


async def test_a_changed_task_is_refused_with_its_line_and_nothing_is_queued(
    queue: Queue,
) -> None:
    plan = plan_of(a=(), b=())
    known = ids(await apply(queue, plan))
    before = await queue.contents()
    with pytest.raises(PlanError, match=r"plan\.yaml:20: b: .*new name") as caught:
        await apply(queue, changed(plan_of(n=(), b=()), "b", prompt="Else"))
    assert known["b"] in str(caught.value)
    assert await queue.contents() == before


async def test_needing_a_task_that_ended_badly_is_refused_with_its_line(queue: Queue) -> None:
    plan = changed(plan_of(a=()), "a", max_retries=0)
    dead = ids(await apply(queue, plan))["a"]
    await queue.fail_next()
    before = await queue.contents()
    with pytest.raises(PlanError, match=rf"plan\.yaml:31: needs: .*{dead} is failed"):
        await apply(queue, plan_of(a=(), fine=(), b=("a",)))
    assert await queue.contents() == before


@pytest.mark.parametrize(
    ("needs", "told"),
    [
        ({"a": ("b",), "b": ("a",)}, "wait for each other"),
        ({"a": ("missing",)}, r"plan\.yaml:11: needs: `missing`"),
    ],
)
async def test_a_plan_that_can_never_run_is_refused(
    queue: Queue, needs: dict[str, tuple[str, ...]], told: str
) -> None:
    with pytest.raises(PlanError, match=told):
        await apply(queue, plan_of(fine=(), **needs) if "b" in needs else plan_of(**needs))
    assert await queue.db.query("SELECT id FROM tasks") == []


async def test_a_failure_at_the_last_task_leaves_nothing_of_the_plan(queue: Queue) -> None:
    numbers = itertools.repeat(queue.new_id())
    plan = plan_of(a=(), b=("a",))
    with pytest.raises(IntegrityViolation):
        await queue.write(
            planning.apply_plan, plan, new_id=lambda: next(numbers), now=queue.now, actor="x"
        )
    assert await queue.db.query("SELECT id FROM tasks") == []
    assert await queue.audit() == []
