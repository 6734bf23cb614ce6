"""DBOS Transact, which takes SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Final

from benchmarks.hands import PROMPT
from benchmarks.peers.queue import Queue
from benchmarks.peers.settings import SHOWN
from benchmarks.peers.sqlite_queues import read_back
from benchmarks.results import Cell

QUEUE: Final = "bench"
POLL_SECONDS: Final = 0.1
"""Its default of a second would be most of what is measured."""


class Dbos(Queue):
    """Enqueues as a process beside the workers does, by its client."""

    name: ClassVar[str] = "DBOS"
    packages: ClassVar[tuple[str, ...]] = ("dbos", "sqlalchemy")
    gives: ClassVar[str] = "no lease: recovers when the same executor starts again; polls"

    async def open(self, where: str, callers: int) -> None:
        await asyncio.to_thread(self._open, where)

    def _open(self, where: str) -> None:
        # It needs SQLite 3.42 and takes Python's own, which may be older.
        with suppress(ImportError):
            sys.modules["sqlite3"] = import_module("pysqlite3")
        from dbos import DBOS, DBOSClient

        logging.disable(logging.CRITICAL)
        file = f"sqlite:///{Path(where) / 'dbos.db'}"
        self._url = where if "://" in where else file

        DBOS.workflow(name="job")(_job)
        _heard.append(self.ran)
        self._launch()
        DBOS.register_queue(QUEUE, polling_interval_sec=POLL_SECONDS)
        DBOS.destroy(destroy_registry=False)
        self._client: Any = DBOSClient(system_database_url=self._url)

    def _launch(self) -> None:
        from dbos import DBOS

        config: Any = {"name": QUEUE, "system_database_url": self._url, "application_version": "1"}
        DBOS(config=config)
        DBOS.launch()

    async def close(self) -> None:
        await asyncio.to_thread(self._client.destroy)

    async def settings(self) -> dict[str, Cell]:
        import sqlalchemy

        with self._client._sys_db.engine.connect() as connection:
            if self._url.startswith("sqlite"):
                return read_back(connection.connection.dbapi_connection)
            told = {n: connection.execute(sqlalchemy.text(f"SHOW {n}")).scalar() for n in SHOWN}
            return {name: str(value) for name, value in told.items()}

    def enqueue(self) -> int:
        self._client.enqueue({"queue_name": QUEUE, "workflow_name": "job"}, PROMPT)
        return 1

    async def start_worker(self, slots: int) -> None:
        await asyncio.to_thread(self._launch)

    async def stop_worker(self) -> None:
        from dbos import DBOS

        await asyncio.to_thread(DBOS.destroy)

    async def unfinished(self) -> int:
        waiting = ["ENQUEUED", "PENDING"]
        found = await asyncio.to_thread(self._client.list_workflows, status=waiting, limit=1)
        return len(found)


_heard: Final[deque[Callable[[], None]]] = deque(maxlen=1)
"""Of the queue that is open: the registry of workflows is global."""


def _job(prompt: str) -> None:
    _heard[0]()
