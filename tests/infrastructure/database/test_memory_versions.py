"""Versions of memories that several programs write at once."""

import asyncio
import threading
import time
from datetime import UTC, datetime

import psycopg
import pytest

from abathur.domain.memories import Memory, NewMemory
from abathur.infrastructure.database import Database
from abathur.ports.stores import Stores
from abathur.services import remembering
from abathur.services.remembering import MemoryChange

NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)
LONG = 5


def update(stores: Stores, value: str) -> Memory:
    change = MemoryChange(value=value)
    return remembering.update(
        stores, "project", "flags", change, updated_by="a", actor="a", now=NOON
    )


@pytest.mark.parametrize("is_read_by_id", [False, True])
async def test_who_waits_for_a_memory_sees_the_version_that_was_written_meanwhile(
    postgres_url: str, is_read_by_id: bool
) -> None:
    written, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def first(stores: Stores) -> None:
        update(stores, "first")
        stores.memories.get("project", "flags")  # what was sent with it has arrived by then
        loop.call_soon_threadsafe(written.set)
        assert go_on.wait(LONG)

    def second(stores: Stores) -> object:
        if is_read_by_id:
            return [one.value for one in stores.memories.by_ids([memory.id])]
        return [update(stores, "second").version]

    async with Database(postgres_url) as mine, Database(postgres_url) as other:
        new = NewMemory(namespace="project", key="flags", value="none")
        memory = await mine.write(remembering.add, new, actor="a", now=NOON)
        writing = asyncio.create_task(other.write(first))
        await asyncio.wait_for(written.wait(), LONG)
        waiting = asyncio.create_task(mine.write(second))
        await asyncio.wait_for(asyncio.to_thread(somebody_waits, postgres_url), LONG)
        go_on.set()
        await writing
        assert await waiting == (["first"] if is_read_by_id else [3])


def somebody_waits(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        until = time.monotonic() + LONG
        while (
            time.monotonic() < until
            and not connection.execute(
                "SELECT 1 FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            ).fetchone()
        ):
            pass
