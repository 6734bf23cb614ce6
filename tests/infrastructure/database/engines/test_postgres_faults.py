"""A server that goes away, connections that break, locks that last: nothing is lost or doubled."""

import asyncio
import itertools
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial

import psycopg
import pytest

from abathur.domain.errors import (
    DatabaseBusyError,
    DatabaseError,
    DatabaseUnreachableError,
    MigrationError,
)
from abathur.domain.tasks import NewTask
from abathur.infrastructure.database import Database
from abathur.infrastructure.database.engines.postgres import Connection
from abathur.infrastructure.database.engines.postgres_server import Server
from abathur.ports.stores import Stores
from abathur.services import submitting
from tests import postgres
from tests.infrastructure.database.engines.cutting import Cutter
from tests.infrastructure.database.engines.held_up import together

NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)


def submit(stores: Stores, task_id: str) -> str:
    new = NewTask(prompt="Do it")
    return submitting.submit(stores, new, task_id=task_id, now=NOON, actor="a").task.id


def rows(url: str, sql: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(sql.encode()).fetchall()


def task_ids(url: str) -> list[object]:
    return [task_id for (task_id,) in rows(url, "SELECT id FROM tasks ORDER BY id")]


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    """One that may be stopped: nobody else uses it. It has few connections to give."""
    server = postgres.new_server()
    server.start(f"{postgres.OPTIONS} -c max_connections=12 -c superuser_reserved_connections=0")
    yield server
    server.stop("immediate")
    server.remove()


@pytest.fixture
async def url(server: postgres.Server) -> str:
    name = f"queue_{next(NUMBERS)}"
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    place = server.url_of(name)
    async with Database(place, may_migrate=True):
        pass
    return place


NUMBERS = itertools.count()


async def test_work_goes_on_when_the_server_crashes_and_comes_back(
    server: postgres.Server, url: str
) -> None:
    wanted = [f"{number:04}" for number in range(200)]
    async with Database(url) as db:
        calls = [asyncio.ensure_future(db.write(submit, task_id)) for task_id in wanted]
        await calls[20]
        await asyncio.to_thread(server.stop, "immediate")
        await asyncio.to_thread(server.start)
        assert await asyncio.gather(*calls) == wanted
        assert task_ids(url) == wanted
        assert await db.check() == []
    assert rows(url, "SELECT min(id), max(id), count(*) FROM audit") == [(1, 200, 200)]


async def test_killed_connections_are_replaced_and_nothing_is_done_twice(url: str) -> None:
    wanted = [f"{number:04}" for number in range(300)]
    async with Database(url) as db:
        calls = [asyncio.ensure_future(db.write(submit, task_id)) for task_id in wanted]
        for done in range(20, 300, 40):
            await calls[done]
            rows(
                url,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'abathur'",
            )
        assert await asyncio.gather(*calls) == wanted
    assert task_ids(url) == wanted


async def test_a_connection_that_is_gone_as_soon_as_it_is_made_is_replaced(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = Server.connect
    broken: list[Connection] = []

    def breaking(self: Server) -> Connection:
        connection = connect(self)
        if not broken:
            broken.append(connection)
            connection.close()
        return connection

    async with Database(url) as db:
        monkeypatch.setattr(Server, "connect", breaking)
        assert await db.write(submit, "one") == "one"
    assert len(broken) == 1
    assert task_ids(url) == ["one"]


@pytest.mark.parametrize(("is_forwarded", "runs"), [(True, 1), (False, 2)])
async def test_a_commit_whose_answer_is_lost_is_done_once(
    server: postgres.Server, url: str, is_forwarded: bool, runs: int
) -> None:
    seen = []

    def use_case(stores: Stores) -> str:
        seen.append(1)
        return submit(stores, "one")

    with Cutter(server.folder / ".s.PGSQL.5432") as cutter:
        name = url.partition("@/")[2].partition("?")[0]
        async with Database(f"postgresql://postgres@/{name}?host={cutter.folder}") as db:
            cutter.cut_at_commit(is_forwarded)
            assert await db.write(use_case) == "one"
    assert cutter.cuts == 1
    assert len(seen) == runs
    assert task_ids(url) == ["one"]


@pytest.mark.parametrize(("is_forwarded", "runs"), [(True, 1), (False, 2)])
async def test_a_common_commit_whose_answer_is_lost_is_done_once(
    server: postgres.Server, url: str, is_forwarded: bool, runs: int
) -> None:
    seen: list[str] = []

    def use_case(task_id: str, stores: Stores) -> str:
        if not seen:
            cutter.cut_at_commit(is_forwarded)
        seen.append(task_id)
        return submit(stores, task_id)

    def refused(_stores: Stores) -> None:
        raise ZeroDivisionError

    wanted = ["one", "three", "two"]
    with Cutter(server.folder / ".s.PGSQL.5432") as cutter:
        name = url.partition("@/")[2].partition("?")[0]
        async with Database(f"postgresql://postgres@/{name}?host={cutter.folder}") as db:
            calls = [partial(use_case, task_id) for task_id in wanted]
            *results, failure = await together(db, *calls, refused)
    assert results == wanted
    assert isinstance(failure, ZeroDivisionError)
    assert cutter.cuts == 1
    assert seen == wanted * runs
    assert task_ids(url) == wanted


async def test_a_server_that_stays_away_is_reported_and_used_again_when_it_is_back(
    server: postgres.Server, url: str
) -> None:
    place = url.replace("postgres@", "postgres:geheim@")
    async with Database(place, busy_timeout=0.2) as db:
        await db.write(submit, "one")
        await asyncio.to_thread(server.stop)
        try:
            for call in (db.write(submit, "two"), db.read(lambda stores: stores.tasks.counts())):
                with pytest.raises(DatabaseUnreachableError) as caught:
                    await call
                assert str(server.folder) in str(caught.value)
                assert "geheim" not in str(caught.value)
                assert "\n" not in str(caught.value)
            with pytest.raises(DatabaseUnreachableError, match="can't connect"):
                await Database(place).initialize()
        finally:
            await asyncio.to_thread(server.start)
        await db.write(submit, "three")
    assert task_ids(url) == ["one", "three"]


async def test_a_lock_that_lasts_is_reported(url: str) -> None:
    async with Database(url, busy_timeout=0.2) as db:
        await db.write(submit, "one")
        with psycopg.connect(url) as other:
            other.execute("SELECT 1 FROM tasks FOR UPDATE")
            with pytest.raises(DatabaseBusyError, match="another process"):
                await db.write(lambda stores: stores.tasks.get("one"))
            # Reading waits for nobody.
            assert await db.read(lambda stores: stores.tasks.get("one")) is not None
        assert await db.write(lambda stores: stores.tasks.get("one")) is not None


async def test_two_that_wait_for_each_other_both_succeed_in_the_end(url: str) -> None:
    both, begun = threading.Barrier(2), itertools.count()

    def lock(stores: Stores, first: str, second: str) -> None:
        stores.tasks.get(first)
        if next(begun) < 2:
            both.wait(10)
        stores.tasks.get(second)
        stores.tasks.rerank(first, 1)
        stores.tasks.rerank(second, 1)

    async with Database(url) as db, Database(url) as other:
        await db.write(submit, "one")
        await db.write(submit, "two")
        await asyncio.gather(db.write(lock, "one", "two"), other.write(lock, "two", "one"))
    assert rows(url, "SELECT DISTINCT rank FROM tasks") == [(1,)]


async def test_more_databases_than_the_server_has_connections_take_turns(url: str) -> None:
    wanted = [f"{number:04}" for number in range(96)]
    databases = [Database(url) for _ in range(6)]
    for db in databases:
        await db.initialize()
    try:
        calls = [databases[n % 6].write(submit, task_id) for n, task_id in enumerate(wanted)]
        assert await asyncio.gather(*calls) == wanted
    finally:
        for db in databases:
            await db.close()
    assert task_ids(url) == wanted


async def test_a_frozen_process_loses_its_transaction_to_the_server(url: str) -> None:
    states = []

    def use_case(stores: Stores) -> None:
        stores.tasks.get("one")
        # As it looks to the server while the process does something else.
        states.extend(
            rows(url, "SELECT state FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'")
        )

    async with Database(url) as db:
        await db.write(use_case)
        assert states == [("idle in transaction",)]
        assert await db.query("SHOW idle_in_transaction_session_timeout") == [
            {"idle_in_transaction_session_timeout": "15s"}
        ]


async def test_claims_go_on_while_somebody_holds_an_old_snapshot(url: str) -> None:
    with psycopg.connect(url) as other:
        other.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        other.execute("SELECT count(*) FROM tasks")
        async with Database(url) as db:
            await db.write(submit, "one")
            assert await db.write(lambda stores: stores.tasks.get("one")) is not None


async def test_a_server_that_may_lose_commits_is_a_problem(
    server: postgres.Server, url: str
) -> None:
    await asyncio.to_thread(server.stop)
    await asyncio.to_thread(server.start, f"{postgres.OPTIONS} -c fsync=off")
    try:
        async with Database(url) as db:
            (problem,) = await db.check()
        assert problem.text.startswith("the server runs with fsync = off")
    finally:
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(server.start)


async def test_a_role_that_acknowledges_early_is_overruled(url: str) -> None:
    name = url.partition("@/")[2].partition("?")[0]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off".encode())
    async with Database(url) as db:
        assert await db.query("SHOW synchronous_commit") == [{"synchronous_commit": "on"}]


async def test_tables_are_made_on_request_only(server: postgres.Server) -> None:
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE fresh")
    place = server.url_of("fresh")
    with pytest.raises(MigrationError, match="run `abathur db migrate`"):
        await Database(place).initialize()
    many = [Database(place, may_migrate=True) for _ in range(3)]
    await asyncio.gather(*(db.initialize() for db in many))
    assert sorted(db.last_upgrade.action for db in many) == ["create", "nothing", "nothing"]
    for db in many:
        await db.close()


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ("postgresql://me:geheim@localhost:1/queue", "postgresql://me@localhost:1/queue"),
        ("postgresql://me:ge@heim@localhost:1/queue", "`%40`"),
        ("postgresql://me:geheim/1@localhost/queue", "`%2F`"),
        ("postgresql://me:geheim?1@localhost/queue", "`%3F`"),
        ("postgresql://me:geheim#1@localhost/queue", "`%23`"),
        ("postgresql://m@e:geheim/1@localhost/queue", "`%2F`"),
        ("host=localhost dbname=queue password=geheim", "URL"),
        ("postgresql://localhost:1/queue?password=geheim", "postgresql://localhost:1/queue"),
        ("postgresql://me:geheim@localhost:1/queue?nonsense=1", "can't be understood"),
        ("postgresql://me:geheim@localhost:no/queue", "postgresql://me@localhost:no/queue"),
        ("postgresql://me:geheim@[::1/queue", "can't be understood"),
        ("mysql://me:geheim@localhost/queue", "no database that can be used"),
    ],
)
async def test_no_message_tells_a_password(where: str, told: str) -> None:
    with pytest.raises(DatabaseError) as caught:
        await Database(where).initialize()
    assert told in str(caught.value)
    assert "geheim" not in repr(caught.value)
    assert "heim@" not in str(caught.value)
