"""What happens at once: whatever the order, each thing happens once and nothing is half done."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from abathur.domain.audit import Action
from abathur.domain.errors import IllegalTransitionError, StaleFenceError
from abathur.domain.plans import Plan, PlannedTask
from abathur.domain.tasks import NewTask, TaskStatus
from abathur.services import planning, submitting
from abathur.services.landing import Concluded

if TYPE_CHECKING:
    from tests.conformance.conftest import Queue

S = TaskStatus
ORDERS = pytest.mark.parametrize("first", [0, 1])
"""Which of two is asked for first."""


async def at_once(first: int, *calls: Any) -> list[Any]:
    """The results in the order of the calls, of which `first` is begun first."""
    order = [calls[first], *(call for call in calls if call is not calls[first])]
    results = await asyncio.gather(*order, return_exceptions=True)
    return [results[order.index(call)] for call in calls]


def came_first(queue: Queue, asked: int, won: int) -> int:
    """Which of two was done first: the one asked for first, where the engine keeps that order."""
    assert won == asked or not queue.is_ordered
    return won


def winner(results: list[Any]) -> int:
    (number,) = [n for n, result in enumerate(results) if not isinstance(result, Exception)]
    return number


@pytest.mark.parametrize("round_", range(5))
async def test_two_prerequisites_that_finish_at_once_let_their_dependent_go_once(
    queue: Queue, round_: int
) -> None:
    needed = [await queue.submit() for _ in range(2 + round_)]
    task = await queue.submit(*needed)
    taken = []
    for number, claimed in enumerate(await queue.claim(10)):
        await queue.succeed(claimed, f"branch-{number}")
        taken.append(await queue.lander())
    done: list[Concluded] = await asyncio.gather(*(queue.conclude(one) for one in taken))
    assert [one.id for each in done for one in each.released] == [task.id]
    assert await queue.statuses(task) == [S.READY]
    told = Counter(entry.action_type for entry in await queue.audit(task))
    assert told[Action.TASK_READY] == 1
    assert await queue.db.check() == []


async def test_tasks_are_handed_out_once_to_32_claimers(queue: Queue) -> None:
    tasks = [await queue.submit() for _ in range(100)]
    for number in range(32):
        await queue.add_worker(f"claimer-{number}")
    got: dict[str, str] = {}

    async def work(worker: str) -> None:
        while claims := await queue.claim(1 + len(worker) % 3, worker):
            for one in claims:
                assert one.task.id not in got, "handed out twice"
                assert one.task.worker_id == worker
                got[one.task.id] = worker

    await asyncio.gather(*(work(f"claimer-{number}") for number in range(32)))
    assert got == {task.id: (await queue.task(task)).worker_id for task in tasks}
    assert len(await queue.db.query("SELECT * FROM attempts")) == 100


@ORDERS
async def test_a_cancelling_and_a_claim_at_once_leave_a_cancelled_task(
    queue: Queue, first: int
) -> None:
    task = await queue.submit()
    cancelled, claims = await at_once(first, queue.cancel(task), queue.claim())
    assert [one.id for one in cancelled] == [task.id]
    came_first(queue, first, len(claims))
    assert await queue.statuses(task) == [S.CANCELLED]
    for claimed in claims:
        with pytest.raises(StaleFenceError):
            await queue.succeed(claimed)
    assert await queue.read(lambda stores: stores.attempts.unended()) == []
    assert await queue.db.check() == []


@ORDERS
async def test_a_late_finish_and_an_adoption_at_once_have_one_winner(
    queue: Queue, first: int
) -> None:
    task = await queue.submit()
    claimed = await queue.claim_one()
    queue.pass_time(61)
    results = await at_once(first, queue.succeed(claimed), queue.adopt(claimed.task))
    first = came_first(queue, first, winner(results))
    assert isinstance(results[1 - first], StaleFenceError)
    assert (await queue.task(task)).worker_id == ("w2" if first else None)
    landings = await queue.read(lambda stores: stores.landings.of_task(task.id))
    assert len(landings) == 1 - first
    assert await queue.db.check() == []


async def test_one_of_many_adopts(queue: Queue) -> None:
    await queue.submit()
    claimed = await queue.claim_one()
    results = await asyncio.gather(
        *(queue.adopt(claimed.task, f"w{1 + n % 2}") for n in range(8)), return_exceptions=True
    )
    assert [isinstance(result, StaleFenceError) for result in results].count(False) == 1


@ORDERS
async def test_a_cancelling_and_an_announcement_at_once_have_one_winner(
    queue: Queue, first: int
) -> None:
    task = await queue.submit()
    await queue.succeed(await queue.claim_one())
    taken = await queue.lander()
    results = await at_once(first, queue.cancel(task), queue.announce(taken))
    first = came_first(queue, first, winner(results))
    assert isinstance(results[1 - first], (IllegalTransitionError, StaleFenceError))
    assert await queue.statuses(task) == [S.RUNNING if first else S.CANCELLED]
    assert await queue.db.check() == []


async def test_one_of_two_landers_gets_the_landing(queue: Queue) -> None:
    await queue.submit()
    await queue.succeed(await queue.claim_one())
    got = await asyncio.gather(*(queue.claim_landing(f"w{1 + n % 2}") for n in range(8)))
    assert len([landing for landing in got if landing]) == 1


@ORDERS
async def test_a_dependent_that_is_submitted_while_its_prerequisite_finishes_isnt_forgotten(
    queue: Queue, first: int
) -> None:
    needed = await queue.submit()
    await queue.succeed(await queue.claim_one())
    taken = await queue.lander()
    _, task = await at_once(first, queue.conclude(taken), queue.submit(needed))
    assert (await queue.task(task)).status is S.READY
    assert await queue.db.check() == []


@ORDERS
async def test_a_dependent_that_is_submitted_while_its_prerequisite_fails_doesnt_wait_for_ever(
    queue: Queue, first: int
) -> None:
    needed = await queue.submit(max_retries=0)
    claimed = await queue.claim_one()
    _, task = await at_once(first, queue.end(claimed), queue.submit(needed))
    if came_first(queue, first, int(not isinstance(task, Exception))):
        assert await queue.statuses(task) == [S.CANCELLED]
    else:
        assert f"prerequisite {needed.id} is failed" in str(task)


async def test_a_plan_that_is_applied_many_times_at_once_is_queued_once(queue: Queue) -> None:
    tasks = {
        name: PlannedTask(name=name, new=NewTask(prompt=name), needs=needs, line=1, needs_line=1)
        for name, needs in {"a": (), "b": ("a",), "c": ("a", "b")}.items()
    }
    plan = Plan(name="p", file="p.yaml", tasks=tasks)
    applied = await asyncio.gather(
        *(
            queue.write(
                planning.apply_plan, plan, new_id=queue.new_id, now=queue.now, actor="cli:alice"
            )
            for _ in range(10)
        )
    )
    assert sorted(one.created for one in applied) == [0] * 9 + [3]
    assert len(await queue.db.query("SELECT * FROM tasks")) == 3


async def test_the_same_key_for_other_work_at_once_has_one_winner(queue: Queue) -> None:
    async def submit(prompt: str) -> bool:
        new = NewTask(prompt=prompt, idempotency_key="k")
        done = await queue.write(
            submitting.submit, new, task_id=queue.new_id(), now=queue.now, actor="a"
        )
        return done.created

    results = await asyncio.gather(*(submit(f"do {n}") for n in range(8)), return_exceptions=True)
    assert [result for result in results if result is True] == [True]
    assert sum(isinstance(result, Exception) for result in results) == 7
