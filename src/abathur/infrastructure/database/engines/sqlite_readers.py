"""A few threads that read, each on a snapshot of its own."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from threading import Lock, Semaphore, Thread
from typing import Any, Final, Generic, TypeVar

from abathur.infrastructure.database.engines.jobs import Job, answer, closed
from abathur.infrastructure.database.engines.sqlite_opened import Opened

C = TypeVar("C")

READERS: Final = 4


class Readers(Generic[C]):
    """Threads start when the others are busy, and open their connection when first used."""

    def __init__(self, open_one: Callable[[], Opened[C]], where: str) -> None:
        self._open_one = open_one
        self._where = where
        self._waiting: SimpleQueue[Job[Opened[C], Any] | None] = SimpleQueue()
        self._idle = Semaphore(0)
        self._gate = Lock()
        self._threads: list[Thread] = []
        self._closing = False

    def submit(self, job: Job[Opened[C], Any]) -> None:
        with self._gate:
            if self._closing:
                raise closed(self._where)
            self._waiting.put(job)
            if not self._idle.acquire(blocking=False) and len(self._threads) < READERS:
                self._start()

    def close(self, wait: bool = True) -> None:
        with self._gate:
            if not self._closing:
                self._closing = True
                for _ in self._threads:
                    self._waiting.put(None)
        if wait:
            for thread in self._threads:
                thread.join()

    def _start(self) -> None:
        thread = Thread(target=self._work, name="abathur-database-reader", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self) -> None:
        opened: Opened[C] | None = None
        while (job := self._waiting.get()) is not None:
            try:
                opened = opened or self._open_one()
                job.run(opened)
            except Exception as error:
                # Whatever it is: nobody must wait for an answer in vain.
                job.error = error
            answer([job])
            # Else an idle thread would keep the result alive.
            del job
            self._idle.release()
        if opened is not None:
            opened.connection.close()
