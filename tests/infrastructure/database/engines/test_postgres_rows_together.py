"""Rows on PostgreSQL that are written, or read, with those of other use cases."""

import re
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from abathur.domain.audit import Action
from abathur.domain.errors import StaleFenceError
from abathur.domain.money import Cost
from abathur.domain.records import changed
from abathur.domain.tasks import NewTask, Task
from abathur.infrastructure.database import Database
from abathur.ports.stores import Stores, foreseen_by
from abathur.services import submitting, trail, verifying
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


async def test_entries_that_are_written_together_are_chained_as_one_by_one(db: Database) -> None:
    odd = {"é\\": 'a "b",\n:true', "c": [False, None, "\\u0000"]}
    for ids in (["a"], ["b", "c", "d"]):
        await together(db, *(submit(task_id, **odd) for task_id in ids))
    await together(db, *(rerank(task_id, 7) for task_id in "abcd"))
    await together(db, *(rerank(task_id, 8) for task_id in "aabc"))
    told = await db.read(verifying.verify)
    assert (told.entries, told.breaks) == (12, [])
    rows = await db.query("SELECT id, task_id FROM audit ORDER BY id")
    assert [row["id"] for row in rows] == [*range(1, 13)]
    assert "".join(row["task_id"] for row in rows) == "abcdabcdaabc"


def rerank(task_id: str, rank: int) -> Callable[[Stores], None]:
    def use_case(stores: Stores) -> None:
        stores.tasks.rerank(task_id, rank)
        trail.record(stores, Action.TASK_RERANKED, task_id, "é", NOON, rank=rank, sure=True)

    return use_case


async def test_a_claim_where_nothing_waits_changes_nothing(db: Database) -> None:
    def claim(stores: Stores) -> object:
        return stores.claims.claim("w", 1, NOON, NOON)

    tokens = await db.query("SELECT token FROM commit_tokens")
    assert await db.write(claim) is None
    assert await db.query("SELECT token FROM commit_tokens") == tokens


async def test_no_index_holds_what_every_renewal_changes(db: Database) -> None:
    rows = await db.query("SELECT indexdef FROM pg_indexes WHERE tablename = 'tasks'")
    assert rows
    often = re.compile(r"\b(lease_until|worker_id|fence|last_updated_at)\b")
    assert not [row for row in rows if often.search(row["indexdef"])]


async def test_costs_that_are_settled_together_take_the_place_of_what_was_reserved(
    db: Database,
) -> None:
    def reserve(task_id: str) -> Callable[[Stores], None]:
        def use_case(stores: Stores) -> None:
            stores.costs.reserve(task_id, 1, target="main", agent_type="coder", began=NOON, usd=9.0)

        return use_case

    def cost(task_id: str, target: str) -> Cost:
        return Cost(
            task_id=task_id,
            attempt=1,
            target=target,
            agent_type="coder",
            model=f"model of {task_id}",
            day="2030-01-31",
            input_tokens=1,
            output_tokens=2,
            cache_read_tokens=3,
            cache_write_tokens=4,
            reserved_usd=0,
            cost_usd=None if task_id == "a" else 0.5,
            estimated_usd=2.0 if task_id == "a" else None,
            estimate_rule="the most" if task_id == "a" else None,
            settled_at=NOON,
        )

    def settle(one: Cost) -> Callable[[Stores], None]:
        return lambda stores: stores.costs.settle(one)

    def settled(stores: Stores) -> list[Cost | None]:
        return [stores.costs.get(name, 1) for name in "abc"]

    await together(db, *(submit(name) for name in "abc"))
    await together(db, *(reserve(name) for name in "abc"))
    await together(db, settle(cost("a", "next")), settle(cost("b", "")))
    *both, untouched = await db.read(settled)
    # A target that nobody knows at the end is the one that was known at the beginning.
    assert both == [cost("a", "next"), cost("b", "main")]
    assert untouched is not None
    assert (untouched.reserved_usd, untouched.settled_at) == (9.0, None)
