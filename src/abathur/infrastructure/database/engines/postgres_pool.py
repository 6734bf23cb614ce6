"""Threads with a connection each, as many as there is work for, and no more than a few."""

from __future__ import annotations

import logging
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Lock, Semaphore, Thread, current_thread
from typing import Any, Final, Generic, TypeVar

from abathur.infrastructure.database.engines.jobs import Job, answer, closed, refuse
from abathur.infrastructure.database.engines.postgres_runner import Crowded, Runner

C = TypeVar("C")

IDLE: Final = 10.0
"""Seconds after which a connection that nobody needs is closed; others may need its place."""

log = logging.getLogger(__name__)


class Pool(Generic[C]):
    def __init__(self, size: int, name: str, where: str, runner: Callable[[], Runner[C]]) -> None:
        self._size = size
        self._name = f"abathur-database-{name}"
        self._where = where
        self._runner = runner
        self._waiting: SimpleQueue[Job[C, Any] | None] = SimpleQueue()
        self._idle = Semaphore(0)
        self._gate = Lock()
        self._threads: set[Thread] = set()
        self._closing = False

    def submit(self, job: Job[C, Any]) -> None:
        with self._gate:
            if self._closing:
                raise closed(self._where)
            self._waiting.put(job)
            if not self._idle.acquire(blocking=False) and len(self._threads) < self._size:
                thread = Thread(target=self._work, name=self._name, daemon=True)
                self._threads.add(thread)
                thread.start()

    def close(self, wait: bool = True) -> None:
        """What was submitted before is still done."""
        with self._gate:
            self._closing = True
            threads = list(self._threads)
            for _ in threads:
                self._waiting.put(None)
        if wait:
            for thread in threads:
                thread.join()

    def _work(self) -> None:
        runner = self._runner()
        try:
            while (job := self._next()) is not None:
                if not job.future.cancelled() and not self._do(runner, job):
                    return
                # Else an idle thread would keep the result alive.
                del job
                self._idle.release()
        finally:
            runner.close()

    def _do(self, runner: Runner[C], job: Job[C, Any], may_yield: bool = True) -> bool:
        """False when the thread has to end, as others have the connections."""
        try:
            runner.run(job, may_yield=may_yield)
        except Crowded:
            return not self._left_to_others(job) and self._do(runner, job, may_yield=False)
        except BaseException as error:
            log.exception("A connection to %s failed", self._where)
            refuse([job], error)
        else:
            answer([job])
        return True

    def _left_to_others(self, job: Job[C, Any]) -> bool:
        """Take this thread off and the job back, unless it is the last or the pool is closing."""
        with self._gate:
            if self._closing or len(self._threads) == 1:
                return False
            self._threads.discard(current_thread())
            self._idle.acquire(blocking=False)
            self._waiting.put(job)
            return True

    def _next(self) -> Job[C, Any] | None:
        while True:
            try:
                return self._waiting.get(timeout=IDLE)
            except Empty:
                with self._gate:
                    # A job that counts on this thread may be on its way.
                    if self._closing or not self._idle.acquire(blocking=False):
                        continue
                    self._threads.discard(current_thread())
                    return None
