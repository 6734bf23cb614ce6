"""The check of the rows: silent about a healthy queue, and it finds every contradiction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from abathur.domain.errors import IntegrityViolation
from abathur.domain.tasks import Task, TaskStatus
from abathur.infrastructure.database import queries
from abathur.ports.stores import Stores

if TYPE_CHECKING:
    from tests.conformance.conftest import Queue

S = TaskStatus
CHECKS = [name for name in queries.load("sqlite") if name.startswith("check_")]

# What is wrong with the second of two tasks, of which the second waits for the first.
OF_A_TASK: dict[str, dict[str, Any]] = {
    "unmet_counts": {"unmet_count": 2},
    "blocked_without_reason": {"unmet_count": 0},
    "started_too_early": {"status": S.READY},
    "ran_too_early": {"status": S.RUNNING},
    "completed_without_proof": {"status": S.COMPLETED},
    "running_without_holder": {"status": S.RUNNING},
    "lease_without_run": {"worker_id": "w1"},
}


def plant(task: Task, **fault: Any) -> Callable[[Stores], None]:
    wrong = replace(task, **fault)
    return lambda stores: stores.tasks.save(wrong, task.fence)


async def busy(queue: Queue) -> Task:
    """A queue with tasks in every status; the one that was submitted last, which is blocked."""
    await queue.submit()
    await queue.complete_next()
    dead = await queue.submit(max_retries=0)
    await queue.submit(dead)
    await queue.fail_next()
    await queue.submit()
    await queue.succeed(await queue.claim_one())
    await queue.submit()
    await queue.claim_one()
    await queue.submit(not_before=queue.now + queue.lease)
    return await queue.submit(await queue.submit())


async def test_a_healthy_queue_has_no_contradictions(queue: Queue) -> None:
    await busy(queue)
    statuses = {row["status"] for row in await queue.db.query("SELECT status FROM tasks")}
    assert statuses == set(S)
    assert await queue.db.check(full=True) == []


@pytest.mark.parametrize("code", OF_A_TASK)
async def test_a_planted_contradiction_is_found(queue: Queue, code: str) -> None:
    task = await busy(queue)
    await queue.write(plant(task, **OF_A_TASK[code]))
    (found,) = [one for one in await queue.db.check() if one.code == code]
    assert found.text.startswith(f"task {task.id} ")
    assert (found.table, found.key, found.task_id) == ("tasks", task.id, task.id)


async def test_a_task_cant_wait_for_itself(queue: Queue) -> None:
    task = replace(await queue.submit(), id="itself", prerequisites=("itself",))
    before = await queue.contents()
    with pytest.raises(IntegrityViolation):
        await queue.write(lambda stores: stores.tasks.insert(task))
    assert await queue.contents() == before


async def test_the_number_of_unmet_prerequisites_cant_be_negative(queue: Queue) -> None:
    task = await queue.submit()
    with pytest.raises(IntegrityViolation):
        await queue.write(plant(task, unmet_count=-1))
