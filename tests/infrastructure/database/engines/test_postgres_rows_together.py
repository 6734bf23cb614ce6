"""Rows on PostgreSQL that are written, or read, with those of other use cases."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from abathur.domain.errors import StaleFenceError
from abathur.domain.records import changed
from abathur.domain.tasks import NewTask, Task
from abathur.infrastructure.database import Database
from abathur.ports.stores import Stores, foreseen_by
from abathur.services import submitting
from tests.infrastructure.database.engines.held_up import together

NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
async def db(postgres_url: str) -> AsyncIterator[Database]:
    async with Database(postgres_url) as db:
        yield db


def submit(task_id: str, **values: Any) -> Callable[[Stores], Task]:
    def use_case(stores: Stores) -> Task:
        new = NewTask(prompt="Do it", input_data=values)
        return submitting.submit(stores, new, task_id=task_id, now=NOON, actor="a").task

    return use_case


async def test_what_json_says_otherwise_is_stored_as_one_by_one(db: Database) -> None:
    told: dict[str, dict[str, Any]] = {
        "a": {"yes": True, "nul": "\0"},
        "b": {"é": 1.5},
        "c": {"large": 2**70},
    }
    await together(db, *(submit(task_id, **values) for task_id, values in told.items()))
    tasks = await db.read(lambda stores: stores.tasks.get_many(told))
    assert {task.id: task.input_data for task in tasks} == told


async def test_nothing_takes_the_place_of_something_in_rows_that_are_saved_together(
    db: Database,
) -> None:
    def save(task_id: str, message: str | None) -> Callable[[Stores], None]:
        def use_case(stores: Stores) -> None:
            task = stores.tasks.get(task_id)
            assert task is not None
            stores.tasks.save(changed(task, error_message=message), task.fence, ("error_message",))

        return use_case

    await together(db, submit("a"), submit("b"))
    for message in ("told", None):
        await together(db, save("a", message), save("b", message))
        rows = await db.query("SELECT error_message FROM tasks")
        assert rows == 2 * [{"error_message": message}]


async def test_a_stale_fence_among_others_that_are_saved_hurts_nobody(db: Database) -> None:
    await together(db, submit("a"), submit("b"), submit("c"))

    def save(task_id: str, fence: int) -> Callable[[Stores], None]:
        def use_case(stores: Stores) -> None:
            task = stores.tasks.get(task_id)
            assert task is not None
            stores.tasks.save(changed(task, error_message="saved"), fence, ("error_message",))

        return foreseen_by(lambda stores: stores.tasks.foresee(task_id))(use_case)

    results = await together(db, save("a", 0), save("b", 7), save("c", 0))
    assert [type(result) for result in results] == [type(None), StaleFenceError, type(None)]
    assert "task b was changed" in str(results[1])
    rows = await db.query("SELECT id FROM tasks WHERE error_message = 'saved' ORDER BY id")
    assert [row["id"] for row in rows] == ["a", "c"]


async def test_what_was_read_ahead_is_read_again_after_a_change(db: Database) -> None:
    await together(db, submit("a"), submit("b"))

    @foreseen_by(lambda stores: stores.tasks.foresee("a"))
    def add(stores: Stores) -> int:
        task = stores.tasks.get("a")
        assert task is not None
        more = changed(task, fence=task.fence + 1)
        stores.tasks.save(more, task.fence, ("fence",))
        return more.fence

    assert await together(db, add, add, add) == [1, 2, 3]
