"""Writes on PostgreSQL that share a transaction: what goes wrong with one hurts no other."""

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from abathur.domain.errors import IntegrityViolation, StaleFenceError
from abathur.domain.records import changed
from abathur.domain.tasks import NewTask, Task
from abathur.infrastructure.database import Database
from abathur.infrastructure.database.engines import postgres_pool
from abathur.infrastructure.database.engines.postgres_engine import WRITERS
from abathur.ports.stores import Stores
from abathur.services import submitting
from tests.infrastructure.database.engines.held_up import together

NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)
LONG = 20
"""Seconds after which something hangs."""

UseCase = Callable[[Stores], Any]


@pytest.fixture
async def db(postgres_url: str) -> AsyncIterator[Database]:
    async with Database(postgres_url) as db:
        yield db


def submit(task_id: str, runs: list[str] | None = None) -> UseCase:
    def use_case(stores: Stores) -> str:
        if runs is not None:
            runs.append(task_id)
        new = NewTask(prompt="Do it")
        return submitting.submit(stores, new, task_id=task_id, now=NOON, actor="a").task.id

    return use_case


def touch(task_id: str) -> UseCase:
    def use_case(stores: Stores) -> None:
        assert stores.tasks.get(task_id)
        stores.tasks.rerank(task_id, 1)

    return use_case


async def ids_and_commits(db: Database) -> tuple[list[str], int]:
    rows = await db.query("SELECT id, xmin::text AS x FROM tasks ORDER BY id")
    return [row["id"] for row in rows], len({row["x"] for row in rows})


async def test_writes_that_wait_share_a_transaction(db: Database) -> None:
    wanted = [f"{number:02}" for number in range(20)]
    assert await together(db, *map(submit, wanted)) == wanted
    assert await ids_and_commits(db) == (wanted, 1)
    assert await db.check() == []


async def test_one_that_raises_after_writing_undoes_only_itself(db: Database) -> None:
    def broken(stores: Stores) -> None:
        submit("broken")(stores)
        raise ZeroDivisionError

    one, failure, two = await together(db, submit("one"), broken, submit("two"))
    assert (one, two) == ("one", "two")
    assert isinstance(failure, ZeroDivisionError)
    assert await ids_and_commits(db) == (["one", "two"], 1)
    assert [entry.id for entry in await db.read(lambda stores: stores.audit.recent(9))] == [1, 2]


async def test_one_that_raises_before_it_writes_costs_the_others_nothing(db: Database) -> None:
    def broken(_stores: Stores) -> None:
        raise ZeroDivisionError

    runs: list[str] = []
    use_cases = submit("one", runs), broken, submit("two", runs)
    results = await together(db, *use_cases)
    assert [type(result) for result in results] == [str, ZeroDivisionError, str]
    assert runs == ["one", "two"]


async def test_what_the_server_refuses_is_told_to_whom_it_concerns(db: Database) -> None:
    results = await together(db, submit("one"), submit("one"), submit("two"))
    assert [result for result in results if isinstance(result, str)] == ["one", "two"]
    (refused,) = (result for result in results if not isinstance(result, str))
    assert isinstance(refused, IntegrityViolation)
    assert (await ids_and_commits(db))[0] == ["one", "two"]


async def test_many_that_fail_leave_the_others_alone(db: Database) -> None:
    def broken(stores: Stores) -> None:
        submit("broken")(stores)
        raise ZeroDivisionError

    use_cases = [use_case for n in range(6) for use_case in (broken, submit(f"{n}"))]
    results = await together(db, *use_cases)
    assert [type(result) for result in results] == [ZeroDivisionError, str] * 6
    assert (await ids_and_commits(db))[0] == [f"{n}" for n in range(6)]


def saved(task_id: str, fence: int, then: UseCase | None = None) -> UseCase:
    def use_case(stores: Stores) -> None:
        task = stores.tasks.get(task_id)
        assert isinstance(task, Task)
        stores.tasks.save(changed(task, error_message="saved"), fence)
        if then is not None:
            then(stores)

    return use_case


@pytest.mark.parametrize("then", [None, touch("one")], ids=["at the commit", "at a read"])
async def test_a_stale_fence_undoes_only_its_own_use_case(
    db: Database, then: UseCase | None
) -> None:
    await db.write(submit("one"))
    await db.write(submit("two"))
    results = await together(
        db, submit("three"), saved("one", 5, then), saved("two", 0), submit("four")
    )
    assert [type(result) for result in results] == [str, StaleFenceError, type(None), str]
    assert "task one was changed" in str(results[1])
    messages = await db.query("SELECT id FROM tasks WHERE error_message = 'saved'")
    assert messages == [{"id": "two"}]
    assert (await ids_and_commits(db))[0] == ["four", "one", "three", "two"]


async def test_a_stale_fence_alone_is_told_and_nothing_is_written(db: Database) -> None:
    await db.write(submit("one"))

    def use_case(stores: Stores) -> None:
        submit("two")(stores)
        saved("one", 5)(stores)

    with pytest.raises(StaleFenceError, match="task one was changed"):
        await db.write(use_case)
    assert (await ids_and_commits(db))[0] == ["one"]


async def test_who_waits_for_a_lock_holds_up_nobody(db: Database, postgres_url: str) -> None:
    await db.write(submit("one"))
    with psycopg.connect(postgres_url) as other:
        other.execute("SELECT 1 FROM tasks FOR UPDATE")
        answered: asyncio.Queue[str] = asyncio.Queue()
        calls = asyncio.ensure_future(
            together(db, touch("one"), submit("two"), submit("three"), answered=answered)
        )
        async with asyncio.timeout(LONG):
            assert [await answered.get(), await answered.get()] == ["two", "three"]
            await db.write(submit("four"))
        assert not calls.done()
    assert await asyncio.wait_for(calls, LONG) == [None, "two", "three"]


async def test_the_next_writes_run_while_others_are_being_committed(
    db: Database, postgres_url: str
) -> None:
    loop, begun = asyncio.get_running_loop(), asyncio.Event()

    def first(stores: Stores) -> None:
        submit("one")(stores)
        loop.call_soon_threadsafe(begun.set)

    with psycopg.connect(postgres_url) as other:
        other.execute("SELECT pg_advisory_xact_lock('audit'::regclass::oid::bigint)")
        call = asyncio.ensure_future(db.write(first))
        async with asyncio.timeout(LONG):
            await begun.wait()
            assert await db.write(lambda stores: stores.tasks.get("two")) is None
        assert not call.done()
    await asyncio.wait_for(call, LONG)
    assert (await ids_and_commits(db))[0] == ["one"]


async def test_what_comes_while_two_transactions_are_under_way_shares_the_third(
    db: Database, postgres_url: str
) -> None:
    loop = asyncio.get_running_loop()

    def begins(task_id: str, begun: asyncio.Event) -> UseCase:
        def use_case(stores: Stores) -> None:
            submit(task_id)(stores)
            loop.call_soon_threadsafe(begun.set)

        return use_case

    wanted = [f"{number:02}" for number in range(12)]
    with psycopg.connect(postgres_url) as other:
        other.execute("SELECT pg_advisory_xact_lock('audit'::regclass::oid::bigint)")
        calls = []
        for task_id in wanted[:2]:
            begun = asyncio.Event()
            calls.append(asyncio.ensure_future(db.write(begins(task_id, begun))))
            await asyncio.wait_for(begun.wait(), LONG)
        for task_id in wanted[2:]:
            calls.append(asyncio.ensure_future(db.write(submit(task_id))))
            await asyncio.sleep(0)
    await asyncio.wait_for(asyncio.gather(*calls), LONG)
    assert await ids_and_commits(db) == (wanted, 3)


async def test_two_transactions_that_wait_for_each_other_both_succeed_in_the_end(
    db: Database, postgres_url: str
) -> None:
    both, met = threading.Barrier(2), itertools.count()

    def meet(_stores: Stores) -> None:
        if next(met) < 2:
            both.wait(LONG)

    await db.write(submit("one"))
    await db.write(submit("two"))
    async with Database(postgres_url) as other:
        mine, theirs = await asyncio.gather(
            together(db, touch("one"), meet, touch("two"), submit("three")),
            together(other, touch("two"), meet, touch("one"), submit("four")),
        )
    assert mine == [None, None, None, "three"]
    assert theirs == [None, None, None, "four"]
    assert (await ids_and_commits(db))[0] == ["four", "one", "three", "two"]


async def test_one_that_nobody_waits_for_any_more_is_left_out(db: Database) -> None:
    runs: list[str] = []

    def cancel(calls: list[asyncio.Future[Any]]) -> None:
        calls[1].cancel()

    results = await together(db, submit("one", runs), submit("two", runs), before=cancel)
    assert results[0] == "one"
    assert isinstance(results[1], asyncio.CancelledError)
    assert runs == ["one"]


async def test_threads_that_nobody_needed_for_a_while_are_replaced(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_pool, "IDLE", 0.01)
    before = set(threading.enumerate())
    async with Database(postgres_url) as db:
        for burst in range(3):
            use_cases = [submit(f"{burst}-{number:02}") for number in range(4 * WRITERS.threads)]
            async with asyncio.timeout(LONG):
                await asyncio.gather(*map(db.write, use_cases))
            for thread in set(threading.enumerate()) - before:
                if thread.name == "abathur-database-writer":
                    await asyncio.to_thread(thread.join, LONG)
                    assert not thread.is_alive()
