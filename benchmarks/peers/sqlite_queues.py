"""Queues that keep their jobs in a SQLite file, each set to sync every commit."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any, ClassVar

from benchmarks.hands import PROMPT
from benchmarks.peers.queue import NotOffered, PullQueue, Queue
from benchmarks.peers.settings import SYNCHRONOUS
from benchmarks.results import Cell

BUSY_SECONDS = 60


def read_back(connection: Any) -> dict[str, Cell]:
    """What decides about durability, by a connection of the library's own."""
    synchronous = int(connection.execute("PRAGMA synchronous").fetchone()[0])
    return {
        "journal_mode": str(connection.execute("PRAGMA journal_mode").fetchone()[0]),
        "synchronous": SYNCHRONOUS[synchronous],
        "sqlite": str(connection.execute("SELECT sqlite_version()").fetchone()[0]),
    }


class Huey(Queue):
    name: ClassVar[str] = "huey"
    packages: ClassVar[tuple[str, ...]] = ("huey",)
    gives: ClassVar[str] = "at most once: the row is deleted before the job runs; no record of it"

    async def open(self, where: str, callers: int) -> None:
        from huey import SqliteHuey

        file = str(Path(where) / "huey.db")
        self._huey = SqliteHuey(filename=file, fsync=True, timeout=BUSY_SECONDS)

        def job(prompt: str) -> None:
            self.ran()

        self._job = self._huey.task()(job)
        self._consumer: Any = None

    async def close(self) -> None:
        self._huey.storage.close()

    async def settings(self) -> dict[str, Cell]:
        return read_back(self._huey.storage.conn)

    def enqueue(self) -> int:
        self._job(PROMPT)
        return 1

    def claim(self) -> int:
        return 0 if self._huey.dequeue() is None else 1

    def complete(self) -> int:
        raise NotOffered("taking a job deletes it")

    async def start_worker(self, slots: int) -> None:
        self._consumer = self._huey.create_consumer(workers=slots, periodic=False)
        self._consumer.start()

    async def stop_worker(self) -> None:
        self._consumer.stop(graceful=True)


class PersistQueue(PullQueue):
    name: ClassVar[str] = "persist-queue"
    packages: ClassVar[tuple[str, ...]] = ("persist-queue",)
    gives: ClassVar[str] = "no lease: what a dead process held comes back when the file is opened"

    async def open(self, where: str, callers: int) -> None:
        from persistqueue import SQLiteAckQueue

        self._queue: Any = SQLiteAckQueue(where, auto_commit=True, multithreading=True)
        self._held: deque[Any] = deque()

    async def close(self) -> None:
        self._queue.close()

    async def settings(self) -> dict[str, Cell]:
        return read_back(self._queue._putter)

    def enqueue(self) -> int:
        self._queue.put(PROMPT)
        return 1

    def claim(self) -> int:
        from persistqueue import Empty

        try:
            self._held.append(self._queue.get(block=False, raw=True))
        except Empty:
            return 0
        return 1

    def complete(self) -> int:
        if not self._held:
            return 0
        self._queue.ack(self._held.popleft())
        return 1

    async def start_worker(self, slots: int) -> None:
        raise NotOffered("between processes `get` looks every 10 s")


class LiteQueue(PullQueue):
    """Its connections can't be shared by threads that write, so each caller has one."""

    name: ClassVar[str] = "litequeue"
    packages: ClassVar[tuple[str, ...]] = ("litequeue",)
    gives: ClassVar[str] = "no lease, no fence; its own setting is NORMAL, here raised to FULL"

    async def open(self, where: str, callers: int) -> None:
        from litequeue import LiteQueue as Library

        self._queues: SimpleQueue[Any] = SimpleQueue()
        self._held: deque[str] = deque()
        for _ in range(callers):
            queue = Library(str(Path(where) / "lite.db"), timeout=BUSY_SECONDS)
            queue.conn.execute("PRAGMA synchronous = FULL")
            self._queues.put(queue)

    async def close(self) -> None:
        while not self._queues.empty():
            self._queues.get().conn.close()

    async def settings(self) -> dict[str, Cell]:
        with self._borrowed() as queue:
            return read_back(queue.conn)

    @contextmanager
    def _borrowed(self) -> Iterator[Any]:
        queue = self._queues.get()
        try:
            yield queue
        finally:
            self._queues.put(queue)

    def enqueue(self) -> int:
        with self._borrowed() as queue:
            queue.put(PROMPT)
        return 1

    def enqueue_many(self, count: int) -> int:
        with self._borrowed() as queue, queue.transaction():
            for _ in range(count):
                queue.put(PROMPT)
        return count

    def claim(self) -> int:
        with self._borrowed() as queue:
            message = queue.pop()
        if message is None:
            return 0
        self._held.append(message.message_id)
        return 1

    def complete(self) -> int:
        if not self._held:
            return 0
        with self._borrowed() as queue:
            queue.done(self._held.popleft())
        return 1

    async def start_worker(self, slots: int) -> None:
        raise NotOffered("nothing wakes a caller: `pop` has to be called again and again")
