"""Word of commits and the time, on PostgreSQL."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from itertools import count

import psycopg
import pytest

from abathur.domain.agents import Worker
from abathur.domain.tasks import NewTask
from abathur.infrastructure.database import Database
from abathur.infrastructure.database.engines.postgres_server import MEASURED_FOR, Server
from abathur.infrastructure.database.wakeups import CommitWakeups
from abathur.ports.stores import Stores
from abathur.services import submitting

NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)
NUMBERS = count()


def submit(stores: Stores) -> None:
    new = NewTask(prompt="Do it")
    submitting.submit(stores, new, task_id=f"{next(NUMBERS)}", now=NOON, actor="a")


def worker() -> Worker:
    return Worker(
        id="w",
        host="here",
        pid=1,
        pid_started_at=1.0,
        repository="/repo",
        max_agents=1,
        started_at=NOON,
        heartbeat_at=NOON,
        lease_until=NOON,
    )


async def settled(wakeups: CommitWakeups) -> None:
    """Listening, and nothing is left to be told."""
    assert await wakeups.wait(10)
    while await wakeups.wait(0.1):
        pass


async def test_a_commit_of_another_process_wakes(postgres_url: str) -> None:
    async with (
        Database(postgres_url) as db,
        Database(postgres_url) as other,
        db.wakeups() as wakeups,
    ):
        await settled(wakeups)
        began = time.monotonic()
        await other.write(submit)
        assert await wakeups.wait(10)
        # Told, not found out by looking once a second.
        assert time.monotonic() - began < 0.9


async def test_a_commit_between_two_calls_is_reported(postgres_url: str) -> None:
    async with Database(postgres_url) as db, db.wakeups() as wakeups:
        await settled(wakeups)
        await db.write(submit)
        assert await wakeups.wait(0)
        assert not await wakeups.wait(0)


async def test_what_notifies_nobody_is_found_by_looking(postgres_url: str) -> None:
    async with (
        Database(postgres_url) as db,
        Database(postgres_url) as other,
        db.wakeups() as wakeups,
    ):
        await other.write(lambda stores: stores.workers.insert(worker()))
        await settled(wakeups)
        await other.write(lambda stores: stores.workers.beat("w", NOON, NOON))
        assert await wakeups.wait(10)


async def test_a_listener_whose_connection_is_killed_listens_again(postgres_url: str) -> None:
    async with (
        Database(postgres_url) as db,
        Database(postgres_url) as other,
        db.wakeups() as wakeups,
    ):
        await settled(wakeups)
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'abathur' AND datname = current_database()"
                " AND pid <> pg_backend_pid()"
            )
        # Whatever happened meanwhile may have been missed.
        assert await wakeups.wait(10)
        await settled_or_quiet(wakeups)
        await other.write(submit)
        assert await wakeups.wait(10)


async def settled_or_quiet(wakeups: CommitWakeups) -> None:
    while await wakeups.wait(0.1):
        pass


async def test_many_wait_and_each_is_told(postgres_url: str) -> None:
    async with (
        Database(postgres_url) as db,
        Database(postgres_url) as other,
        db.wakeups() as one,
        db.wakeups() as two,
    ):
        await settled(one)
        await settled_or_quiet(two)
        await other.write(submit)
        assert all(await asyncio.gather(one.wait(10), two.wait(10)))


async def test_the_time_is_that_of_the_server(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = time.time() + 3600
    monkeypatch.setattr(time, "time", lambda: wrong)
    async with Database(postgres_url) as db:
        ((there,),) = [row.values() for row in await db.query("SELECT clock_timestamp()::text")]
        assert abs(db.clock().now() - datetime.fromisoformat(there)) < timedelta(seconds=2)
        assert db.clock().now().tzinfo is UTC


async def test_the_servers_time_is_measured_again(postgres_url: str) -> None:
    async with Database(postgres_url) as db:
        server: Server = db._engine._server  # type: ignore[attr-defined]
        assert server._time is not None
        right, since = server._time
        server._time = (right - timedelta(days=1), since - 2 * MEASURED_FOR)
        assert right - db.clock().now() > timedelta(hours=23)
        await db.read(lambda stores: stores.claims.any_ready())
        assert abs(db.clock().now() - right) < timedelta(minutes=5)
        await db.write(lambda stores: stores.claims.any_ready())
