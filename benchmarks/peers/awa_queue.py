"""awa on PostgreSQL: a queue written in Rust, by its Python package."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, ClassVar

from benchmarks.hands import PROMPT
from benchmarks.peers.queue import Queue
from benchmarks.peers.settings import LINKS, SHOWN
from benchmarks.results import Cell


@dataclass
class Job:
    prompt: str


class Awa(Queue):
    name: ClassVar[str] = "awa"
    packages: ClassVar[tuple[str, ...]] = ("awa-pg",)
    gives: ClassVar[str] = "a lease and a fence; claims and acknowledges in batches"

    async def open(self, where: str, callers: int) -> None:
        from awa import AsyncClient

        # Its driver wants a host in the URL, though the socket decides.
        where = where.replace(":@/", "@localhost/")
        self._client: Any = AsyncClient(where, max_connections=LINKS)
        await self._client.migrate()
        await self._activate(AsyncClient(where, max_connections=LINKS))

        async def job(_: Any) -> None:
            self.ran()

        self._client.task(Job, queue="bench")(job)

    async def _activate(self, client: Any) -> None:
        """A new database changes to its faster tables when the first worker starts."""
        if json.loads(await client.storage_status())["state"] != "active":

            async def job(_: Any) -> None:
                return None

            client.task(Job, queue="bench")(job)
            await client.start([("bench", 1)])
            await client.shutdown()
        await client.close()

    async def close(self) -> None:
        await self._client.close()

    async def settings(self) -> dict[str, Cell]:
        transaction = await self._client.transaction()
        async with transaction:
            return {
                name: (await transaction.fetch_one(f"SELECT current_setting('{name}') AS v"))["v"]
                for name in SHOWN
            }

    async def enqueue(self) -> int:
        await self._client.insert(Job(PROMPT), queue="bench")
        return 1

    async def enqueue_many(self, count: int) -> int:
        await self._client.enqueue_many_copy([Job(PROMPT) for _ in range(count)], queue="bench")
        return count

    async def start_worker(self, slots: int) -> None:
        await self._client.start([("bench", slots)])

    async def stop_worker(self) -> None:
        await self._client.shutdown()

    async def unfinished(self) -> int:
        open_states = ("available", "running")
        return sum(
            [len(await self._client.list_jobs(state=one, queue="bench")) for one in open_states]
        )
