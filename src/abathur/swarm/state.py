"""What the loops of one supervisor share. Lives on the supervisor's event loop only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from abathur.domain.landing import Landing
from abathur.domain.needs import Need
from abathur.domain.runs import Attempt
from abathur.domain.tasks import Task
from abathur.services.running import Holder
from abathur.swarm.events import Sink, SwarmEvent, SwarmEventKind
from abathur.swarm.silence import Silence


class StopReason(StrEnum):
    RELEASED = "released"
    """The swarm stops; the task goes back to the queue."""
    OVER_BUDGET = "over_budget"
    """It has spent what it may; the task is held."""
    OVER_TURNS = "over_turns"
    """It has gone on for longer than its agent type may."""
    TIMED_OUT = "timed_out"
    SILENT = "silent"
    """It says nothing, and nothing of it moves."""
    LOST = "lost"
    """Cancelled, or the lease is gone: nothing may be written any more."""


class Bell:
    """Wakes one loop. A ring while nobody waits is kept for the next wait."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._rung.set()

    async def wait(self, timeout_seconds: float) -> bool:
        """True when rung, False when the time is over."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._rung.wait()
        except TimeoutError:
            return False
        self._rung.clear()
        return True


RunKey = tuple[str, int]
"""Task and attempt: a task that is cancelled and retried runs again while its old agent dies."""


@dataclass(slots=True)
class Run:
    """An attempt that runs here."""

    task: Task
    attempt: Attempt
    holder: Holder
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    reason: StopReason | None = None
    why: str = ""
    """What a person is told of the reason."""
    is_candidate: bool = False
    """Others of its task may begin beside it, under its claim."""

    @property
    def key(self) -> RunKey:
        return self.task.id, self.attempt.number

    def end(self, reason: StopReason) -> None:
        """Ask it to end. The first reason counts, but losing the lease outweighs everything."""
        if self.reason is None or reason is StopReason.LOST:
            self.reason = reason
        self.stop.set()


@dataclass(slots=True)
class LandingRun:
    """A landing under way here."""

    landing: Landing
    stop: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class Tally:
    completed: int = 0
    failed: int = 0
    cancelled: int = 0


@dataclass(slots=True)
class State:
    worker_id: str
    lease: timedelta
    sink: Sink
    now: Callable[[], datetime]
    silence: Silence
    runs: dict[RunKey, Run] = field(default_factory=dict)
    landings: dict[str, LandingRun] = field(default_factory=dict)
    clearing: set[str] = field(default_factory=set)
    """Landings whose worktrees are being removed, or will be."""
    told_closed: set[str] = field(default_factory=set)
    """Targets of which somebody was told that nothing can land on them."""
    told_leaks: set[str] = field(default_factory=set)
    """Landings of whose secrets somebody was told."""
    claimed: set[str] = field(default_factory=set)
    """Tasks claimed here that haven't ended, for the task limit."""
    tally: Tally = field(default_factory=Tally)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    stop_now: asyncio.Event = field(default_factory=asyncio.Event)
    stopped_by: str = ""
    bells: dict[str, Bell] = field(default_factory=dict)
    versions: dict[str, asyncio.Task[str | None]] = field(default_factory=dict)
    """Program -> its version, which is asked for once."""

    def runs_claim(self, task: Task) -> bool:
        """Whether this very claim of the task is being run, or wound up, here."""
        return any(
            run.task.id == task.id and run.holder.fence == task.fence for run in self.runs.values()
        )

    def bell(self, name: str) -> Bell:
        return self.bells.setdefault(name, Bell())

    def ring_all(self) -> None:
        for bell in self.bells.values():
            bell.ring()

    def begin_stop(self, by: str) -> None:
        if not self.stopping.is_set():
            self.stopped_by = by
            self.stopping.set()
        self.ring_all()

    def tell(
        self,
        kind: SwarmEventKind,
        text: str,
        *,
        task: Task | None = None,
        attempt: int | None = None,
        data: Mapping[str, Any] | None = None,
        ready_at: datetime | None = None,
    ) -> None:
        self.sink(
            SwarmEvent(
                kind=kind,
                at=self.now(),
                text=text,
                task_id=task.id if task else None,
                summary=task.summary if task else "",
                agent_type=task.agent_type if task else "",
                target=task.feature_branch if task else None,
                attempt=attempt,
                ready_at=ready_at,
                worker_id=self.worker_id,
                data=data or {},
            )
        )

    def needs_person(self, need: Need, text: str, task: Task | None = None) -> None:
        """Say that somebody has to look, for the views and for notices."""
        self.tell(SwarmEventKind.NEEDS_PERSON, text, task=task, data={"need": need.value})

    def warn(self, text: str, task: Task | None = None) -> None:
        self.tell(SwarmEventKind.WARNING, text, task=task)
