"""procrastinate on PostgreSQL."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, ClassVar, Final

from benchmarks.hands import PROMPT
from benchmarks.peers.queue import Queue
from benchmarks.peers.settings import LINKS, SHOWN
from benchmarks.results import Cell

SETTLE_SECONDS: Final = 0.3
"""Until its worker listens."""


class Procrastinate(Queue):
    name: ClassVar[str] = "procrastinate"
    packages: ClassVar[tuple[str, ...]] = ("procrastinate", "psycopg")
    gives: ClassVar[str] = "an event row; no fence, no lease: who rescues what is the user's task"

    async def open(self, where: str, callers: int) -> None:
        from procrastinate import App, PsycopgConnector

        connector = PsycopgConnector(conninfo=where, min_size=1, max_size=LINKS)
        self._app: Any = App(connector=connector)
        await self._app.open_async()
        if not await self._has_tables():
            await self._app.schema_manager.apply_schema_async()

        async def job(prompt: str) -> None:
            self.ran()

        self._job = self._app.task(queue="bench", name="job")(job)
        self._held: deque[Any] = deque()
        self._worker_id = await self._app.job_manager.register_worker()

    async def _has_tables(self) -> bool:
        return bool(await self._ask("to_regclass('procrastinate_jobs') IS NOT NULL"))

    async def _ask(self, what: str) -> Any:
        row = await self._app.connector.execute_query_one_async(f"SELECT {what} AS answer")
        return row["answer"]

    async def close(self) -> None:
        await self._app.close_async()

    async def settings(self) -> dict[str, Cell]:
        return {name: str(await self._ask(f"current_setting('{name}')")) for name in SHOWN}

    async def enqueue(self) -> int:
        await self._job.defer_async(prompt=PROMPT)
        return 1

    async def enqueue_many(self, count: int) -> int:
        await self._job.batch_defer_async(*({"prompt": PROMPT} for _ in range(count)))
        return count

    async def claim(self) -> int:
        job = await self._app.job_manager.fetch_job(queues=None, worker_id=self._worker_id)
        if job is None:
            return 0
        self._held.append(job)
        return 1

    async def complete(self) -> int:
        from procrastinate.jobs import Status

        if not self._held:
            return 0
        job = self._held.popleft()
        await self._app.job_manager.finish_job(job, Status.SUCCEEDED, delete_job=False)
        return 1

    async def start_worker(self, slots: int) -> None:
        run = self._app.run_worker_async(concurrency=slots, install_signal_handlers=False)
        self._worker = asyncio.create_task(run)
        await asyncio.sleep(SETTLE_SECONDS)

    async def stop_worker(self) -> None:
        self._worker.cancel()
        await asyncio.gather(self._worker, return_exceptions=True)

    async def unfinished(self) -> int:
        return int(
            await self._ask(
                "(SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing'))"
            )
        )
