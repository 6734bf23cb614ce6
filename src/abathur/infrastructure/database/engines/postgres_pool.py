"""Threads with a connection each, as many as there is work for, and no more than a few."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from threading import Event, Lock, Thread, current_thread
from typing import Any, Final, Generic, TypeVar

from abathur.infrastructure.database.engines.jobs import Job, answer, closed, refuse
from abathur.infrastructure.database.engines.postgres_runner import Crowded, Runner

C = TypeVar("C")

IDLE: Final = 10.0
"""Seconds after which a connection that nobody needs is closed; others may need its place."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    threads: int
    turns: int
    """Threads that may do what was just taken. Who is held up gives its turn to another."""
    batch: int
    """Jobs that are taken in one turn."""


class Turn:
    """Of one thread, which may pass it on before it is done."""

    __slots__ = ("has_passed_on",)

    def __init__(self) -> None:
        self.has_passed_on = False


class Pool(Generic[C]):
    def __init__(
        self, limits: Limits, name: str, where: str, runner: Callable[[], Runner[C]]
    ) -> None:
        self._limits = limits
        self._name = f"abathur-database-{name}"
        self._where = where
        self._runner = runner
        self._gate = Lock()
        self._waiting: deque[Job[C, Any]] = deque()
        self._threads: set[Thread] = set()
        self._sleepers: list[Event] = []
        """Of the threads that nobody has called; the last one to fall asleep is called first."""
        self._turns = limits.turns
        self._ahead: Turn | None = None
        """The one that was passed on by a thread that isn't done yet."""
        self._next_ahead: Turn | None = None
        """The one that shall be passed on when that thread is done."""
        self._closing = False

    def submit(self, job: Job[C, Any]) -> None:
        with self._gate:
            if self._closing:
                raise closed(self._where)
            self._waiting.append(job)
            self._call()

    def close(self, wait: bool = True) -> None:
        """What was submitted before is still done."""
        with self._gate:
            self._closing = True
            threads = list(self._threads)
            for sleeper in self._sleepers:
                sleeper.set()
            self._sleepers.clear()
        if wait:
            for thread in threads:
                thread.join()

    def _call(self) -> None:
        """See that somebody takes what waits. The caller holds the gate, as in all of these."""
        if not self._waiting or not self._turns:
            return
        if self._sleepers:
            self._sleepers.pop().set()
        elif len(self._threads) < self._limits.threads and not self._closing:
            thread = Thread(target=self._work, name=self._name, daemon=True)
            self._threads.add(thread)
            thread.start()

    def _work(self) -> None:
        runner = self._runner()
        try:
            while (jobs := self._next()) and self._serve(runner, jobs):
                # Else an idle thread would keep the results alive.
                del jobs
        finally:
            runner.close()

    def _next(self) -> Sequence[Job[C, Any]]:
        """Jobs with a turn to do them; none when this thread has to end."""
        while True:
            with self._gate:
                jobs = self._taken()
                if jobs or self._closing:
                    return jobs
                call = Event()
                self._sleepers.append(call)
            if not call.wait(IDLE):
                with self._gate:
                    if call in self._sleepers:
                        self._sleepers.remove(call)
                        self._threads.discard(current_thread())
                        return []

    def _taken(self) -> Sequence[Job[C, Any]]:
        if not self._turns or not self._waiting:
            return []
        self._turns -= 1
        count = min(self._limits.batch, len(self._waiting))
        return [self._waiting.popleft() for _ in range(count)]

    def _serve(self, runner: Runner[C], jobs: Sequence[Job[C, Any]]) -> bool:
        """False when the thread has to end, as others have the connections."""
        live = [job for job in jobs if not job.future.cancelled()]
        turn = Turn()
        try:
            apart = self._together(runner, live, turn, may_yield=True)
        except Crowded:
            if self._is_left_to_others(jobs, turn):
                return False
            apart = self._together(runner, live, turn, may_yield=False)
        self._end_turn(turn)
        for job in apart:
            self._alone(runner, job)
        return True

    def _together(
        self, runner: Runner[C], jobs: Sequence[Job[C, Any]], turn: Turn, *, may_yield: bool
    ) -> Sequence[Job[C, Any]]:
        """Those that have to be done again, each by itself; the others have their answer."""
        try:
            done = partial(self._pass_on, turn)
            apart = runner.together(jobs, done, may_yield=may_yield)
        except Crowded:
            raise
        except BaseException as error:
            log.exception("A connection to %s failed", self._where)
            refuse(jobs, error)
            return []
        # Few, or all of them.
        answer(job for job in jobs if job not in apart)
        return apart

    def _alone(self, runner: Runner[C], job: Job[C, Any]) -> None:
        try:
            runner.run(job)
        except BaseException as error:
            log.exception("A connection to %s failed", self._where)
            job.error = error
        answer([job])

    def _pass_on(self, turn: Turn) -> None:
        """Let another thread begin, but no third: what comes meanwhile is better done together."""
        with self._gate:
            if turn.has_passed_on:
                return
            if self._ahead is None:
                self._give(turn)
            else:
                self._next_ahead = turn

    def _give(self, turn: Turn) -> None:
        turn.has_passed_on = True
        self._ahead = turn
        self._turns += 1
        self._call()

    def _end_turn(self, turn: Turn) -> None:
        with self._gate:
            self._take_back(turn)
            self._call()

    def _take_back(self, turn: Turn) -> None:
        if self._next_ahead is turn:
            self._next_ahead = None
        if not turn.has_passed_on:
            self._turns += 1
            return
        self._ahead = None
        following, self._next_ahead = self._next_ahead, None
        if following is not None:
            self._give(following)

    def _is_left_to_others(self, jobs: Sequence[Job[C, Any]], turn: Turn) -> bool:
        """Take this thread off, and its jobs and turn back, unless nobody else could do them."""
        with self._gate:
            if self._closing or len(self._threads) == 1:
                return False
            self._threads.discard(current_thread())
            self._waiting.extendleft(reversed(jobs))
            self._take_back(turn)
            # Another thread would find no connection either; who is busy looks when it is done.
            if self._sleepers:
                self._call()
            return True
