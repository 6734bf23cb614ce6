"""Oban for Python on PostgreSQL."""

from __future__ import annotations

from typing import Any, ClassVar

from benchmarks.hands import PROMPT
from benchmarks.peers.queue import Queue
from benchmarks.peers.settings import LINKS, SHOWN
from benchmarks.results import Cell


class Oban(Queue):
    name: ClassVar[str] = "oban"
    packages: ClassVar[tuple[str, ...]] = ("oban", "psycopg")
    gives: ClassVar[str] = "no fence: an end is stored by id alone; acknowledges in batches"

    async def open(self, where: str, callers: int) -> None:
        from oban import Oban as Library
        from oban import worker
        from oban.schema import install

        self._pool: Any = await Library.create_pool(where, min_size=1, max_size=LINKS)
        if not await self._ask("to_regclass('oban_jobs') IS NOT NULL"):
            await install(self._pool)
        ran = self.ran

        @worker(queue="bench")
        class Job:
            async def process(self, job: Any) -> None:
                ran()

        self._job: Any = Job
        self._oban: Any = Library(pool=self._pool)

    async def _ask(self, what: str) -> Any:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(f"SELECT {what}")
            return (await cursor.fetchone())[0]

    async def close(self) -> None:
        await self._pool.close()

    async def settings(self) -> dict[str, Cell]:
        return {name: str(await self._ask(f"current_setting('{name}')")) for name in SHOWN}

    async def enqueue(self) -> int:
        await self._oban.enqueue(self._job.new({"prompt": PROMPT}))
        return 1

    async def enqueue_many(self, count: int) -> int:
        await self._oban.enqueue_many([self._job.new({"prompt": PROMPT}) for _ in range(count)])
        return count

    async def start_worker(self, slots: int) -> None:
        from oban import Oban as Library

        self._worker: Any = Library(pool=self._pool, name="worker", queues={"bench": slots})
        await self._worker.start()

    async def stop_worker(self) -> None:
        await self._worker.stop()

    async def unfinished(self) -> int:
        where = "state IN ('available', 'executing')"
        return int(await self._ask(f"(SELECT count(*) FROM oban_jobs WHERE {where})"))
