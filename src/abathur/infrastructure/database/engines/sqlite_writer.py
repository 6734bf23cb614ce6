"""The one thread of a process that writes: takes what waits, commits it together, answers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any, Final, Generic, TypeAlias, TypeVar

from abathur.domain.errors import DatabaseError
from abathur.infrastructure.database.engines.jobs import Job, answer, closed, refuse
from abathur.infrastructure.database.engines.sqlite import (
    DriverError,
    busy,
    checkpoint_on_close,
)
from abathur.infrastructure.database.engines.sqlite_commit import GroupCommit
from abathur.infrastructure.database.engines.sqlite_lock import Turns
from abathur.infrastructure.database.engines.sqlite_opened import Opened

C = TypeVar("C")
T = TypeVar("T")

Item: TypeAlias = "Job[C, Any] | Errand[Opened[C], Any] | None"
"""None is the end."""

BATCH: Final = 256

log = logging.getLogger(__name__)


class Errand(Job[C, T]):
    """Work that is done by itself, in no transaction of the writer's."""

    __slots__ = ()


class Writer(Generic[C]):
    def __init__(self, opened: Opened[C], turns: Turns, busy_timeout: float) -> None:
        self._opened = opened
        self._group = GroupCommit(opened)
        self._turns = turns
        self._where = opened.where
        self._busy_timeout = busy_timeout
        self._waiting: SimpleQueue[Item[C]] = SimpleQueue()
        self._held: list[Item[C]] = []
        self._gate = Lock()
        self._closing = False
        self._listeners: tuple[Callable[[], None], ...] = ()
        self._thread = Thread(target=self._work, name="abathur-database-writer", daemon=True)
        self._thread.start()

    @property
    def commits(self) -> int:
        return self._group.commits

    def submit(self, job: Job[C, Any] | Errand[Opened[C], Any]) -> None:
        with self._gate:
            if self._closing:
                raise closed(self._where)
            self._waiting.put(job)

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        with self._gate:
            if listener not in self._listeners:
                self._listeners = (*self._listeners, listener)

        def stop() -> None:
            with self._gate:
                self._listeners = tuple(each for each in self._listeners if each != listener)

        return stop

    def close(self, wait: bool = True) -> None:
        """What was submitted before is still done."""
        with self._gate:
            if not self._closing:
                self._closing = True
                self._waiting.put(None)
        if wait:
            self._thread.join()

    def _work(self) -> None:
        while (item := self._next()) is not None:
            if isinstance(item, Errand):
                item.run(self._opened)
                answer([item])
            else:
                self._guarded([item])
            # Else an idle thread would keep the result alive.
            del item
        self._end()

    def _next(self) -> Item[C]:
        return self._held.pop() if self._held else self._waiting.get()

    def _guarded(self, batch: list[Job[C, Any]]) -> None:
        try:
            self._serve(batch)
        except BaseException as error:
            log.exception("The writer of %s failed", self._where)
            refuse(batch, error)

    def _serve(self, batch: list[Job[C, Any]]) -> None:
        try:
            self._begin_turn()
        except DatabaseError as error:
            self._top_up(batch)
            refuse(batch, error)
            return
        before = self._group.changes
        try:
            # Only now, as more may have come while others had their turn.
            self._top_up(batch)
            self._group.run([job for job in batch if not job.future.cancelled()])
            if self._group.checkpoint_due:
                answer(batch)
                self._group.checkpoint()
        finally:
            self._turns.leave()
        answer(batch)
        if self._group.changes != before:
            self._tell()

    def _begin_turn(self) -> None:
        if not self._turns.take(self._busy_timeout):
            raise busy(self._where)
        try:
            self._opened.refuse_replaced()
        except DatabaseError:
            self._turns.leave()
            raise

    def _top_up(self, batch: list[Job[C, Any]]) -> None:
        while len(batch) < BATCH:
            try:
                item = self._waiting.get_nowait()
            except Empty:
                return
            if item is None or isinstance(item, Errand):
                self._held.append(item)
                return
            batch.append(item)

    def _tell(self) -> None:
        for listener in self._listeners:
            try:
                listener()
            except Exception:
                # The commit stands, and whoever wasn't told finds out by polling.
                log.exception("A listener to commits of %s failed", self._where)

    def _end(self) -> None:
        """The last one out empties the log, in its turn: checkpoints never overlap with writers."""
        taken = False
        try:
            # Whoever has the turn now isn't gone yet, and will be the one to empty the log.
            taken = self._turns.take(0)
            # SQLite would remove the log by its name: perhaps that of another database by now.
            if taken and self._is_in_place():
                checkpoint_on_close(self._opened.connection)
        except DatabaseError:
            # All that was acknowledged is in the log; the next one to open empties it.
            log.debug("Closing %s left its log behind", self._where, exc_info=True)
        try:
            self._opened.connection.close()
        except DriverError:
            log.debug("Closing %s failed", self._where, exc_info=True)
        if taken:
            self._turns.leave()
        self._turns.close()

    def _is_in_place(self) -> bool:
        files = self._opened.files
        return files is None or files.are_in_place()
