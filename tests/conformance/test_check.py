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
CHECKS = {name: sql for name, sql in queries.load("sqlite").items() if name.startswith("check_")}

# What is wrong with the second of two tasks, of which the second waits for the first.
PLANTED: dict[str, dict[str, Any]] = {
    "check_unmet_counts": {"unmet_count": 2},
    "check_blocked_without_reason": {"unmet_count": 0},
    "check_started_too_early": {"status": S.READY},
    "check_completed_without_proof": {"status": S.COMPLETED},
    "check_running_without_holder": {"status": S.RUNNING},
    "check_lease_without_run": {"worker_id": "w1"},
}


def plant(task: Task, **fault: Any) -> Callable[[Stores], None]:
    wrong = replace(task, **fault)
    return lambda stores: stores.tasks.save(wrong, task.fence)


async def found(queue: Queue, name: str) -> list[str]:
    return [row["what"] for row in await queue.db.query(CHECKS[name])]


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


@pytest.mark.parametrize("name", CHECKS)
async def test_a_planted_contradiction_is_found(queue: Queue, name: str) -> None:
    task = await busy(queue)
    await queue.write(plant(task, **PLANTED[name]))
    (line,) = await found(queue, name)
    assert line.startswith(f"task {task.id} ")
    assert line in await queue.db.check()


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
