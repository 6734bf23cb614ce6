"""pgqueuer on PostgreSQL, by asyncpg, which is its faster driver."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from datetime import timedelta
from typing import Any, ClassVar, Final
from uuid import uuid4

from benchmarks.hands import PROMPT
from benchmarks.peers.queue import Queue
from benchmarks.peers.settings import LINKS, SHOWN
from benchmarks.results import Cell

BATCH: Final = 100
HEARTBEAT: Final = timedelta(seconds=30)
SETTLE_SECONDS: Final = 0.3


class Pgqueuer(Queue):
    name: ClassVar[str] = "pgqueuer"
    packages: ClassVar[tuple[str, ...]] = ("pgqueuer", "asyncpg")
    gives: ClassVar[str] = f"a log row; no fence; takes and acknowledges {BATCH} at a time"

    async def open(self, where: str, callers: int) -> None:
        import asyncpg
        from pgqueuer.adapters.drivers.asyncpg import AsyncpgPoolDriver
        from pgqueuer.queries import Queries

        self._pool: Any = await asyncpg.create_pool(where, min_size=2, max_size=LINKS)
        self._driver: Any = AsyncpgPoolDriver(self._pool)
        self._queries: Any = Queries(self._driver)
        if not await self._queries.schema_is_installed():
            await self._queries.install()
        self._held: deque[Any] = deque()
        self._manager_id = uuid4()

    async def close(self) -> None:
        # A listener that its worker left behind keeps a connection.
        try:
            async with asyncio.timeout(2):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    async def settings(self) -> dict[str, Cell]:
        return {
            name: str(await self._pool.fetchval(f"SELECT current_setting('{name}')"))
            for name in SHOWN
        }

    async def enqueue(self) -> int:
        await self._queries.enqueue("job", PROMPT.encode())
        return 1

    async def enqueue_many(self, count: int) -> int:
        await self._queries.enqueue(["job"] * count, [PROMPT.encode()] * count, [0] * count)
        return count

    async def claim(self) -> int:
        from pgqueuer.ports.repository import EntrypointExecutionParameter

        jobs = await self._queries.dequeue(
            batch_size=BATCH,
            entrypoints={"job": EntrypointExecutionParameter(concurrency_limit=0)},
            queue_manager_id=self._manager_id,
            global_concurrency_limit=None,
            heartbeat_timeout=HEARTBEAT,
        )
        self._held.extend(jobs)
        return len(jobs)

    async def complete(self) -> int:
        count = min(BATCH, len(self._held))
        if count:
            jobs = [(self._held.popleft(), "successful", None) for _ in range(count)]
            await self._queries.log_jobs(jobs)
        return count

    async def start_worker(self, slots: int) -> None:
        from pgqueuer.adapters.drivers.asyncpg import AsyncpgPoolDriver
        from pgqueuer.qm import QueueManager
        from pgqueuer.queries import Queries

        # The worker's driver ends with it; the callers' goes on.
        self._manager: Any = QueueManager(Queries(AsyncpgPoolDriver(self._pool)))

        async def job(_: Any) -> None:
            self.ran()

        self._manager.entrypoint("job", accepts_context=False)(job)
        run = self._manager.run(batch_size=BATCH)
        self._worker = asyncio.create_task(run)
        await asyncio.sleep(SETTLE_SECONDS)

    async def stop_worker(self) -> None:
        self._manager.shutdown.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.gather(self._worker, return_exceptions=True)

    async def unfinished(self) -> int:
        return int(await self._pool.fetchval("SELECT count(*) FROM pgqueuer"))
