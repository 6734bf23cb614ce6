"""What is known about a task that somebody asks about, and the answer that is made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from abathur.domain.admission import Hold, Overlap, Refusal
from abathur.domain.agents import Worker
from abathur.domain.closed_targets import Closure
from abathur.domain.gates import GateRun
from abathur.domain.landing import Landing
from abathur.domain.reviews import Review
from abathur.domain.runs import Attempt
from abathur.domain.tasks import Task
from abathur.domain.wording import clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    task: Task
    now: datetime
    unmet: Sequence[Task]
    """Prerequisites that aren't completed."""
    worker: Worker | None
    """The one that holds the task."""
    worker_alive: bool | None
    """None when that can't be known, because it runs on another host."""
    attempt: Attempt | None
    """The newest one."""
    last_event_at: datetime | None
    last_event_text: str | None
    landing: Landing | None
    """The newest one."""
    gate_runs: Sequence[GateRun] = ()
    ahead: int
    """How many ready tasks have a smaller rank."""
    live_workers: int
    free_slots: int
    cancelled_by: Task | None
    review: Review | None = None
    """The question to a person that is open."""
    refusal: Refusal | None = None
    """Why it may not be claimed now, or couldn't be if it were ready."""
    agent_problem: str | None = None
    """Why agents of its type can't be run on this host."""
    root: Task | None = None
    """Where its chain of prerequisites ends: the task that holds up all others on it."""
    root_summary: str = ""
    """What holds that one."""
    landings_ahead: int = 0
    """Landings on the same target that are taken before its own."""
    overlaps: Sequence[Overlap] = ()
    """What its work, and that of others under way, turned out to have in common."""
    landing_hold: Hold | None = None
    """A pause of the target that its work waits to land on."""
    closure: Closure | None = None
    """Why nothing can land on the target of its work at the moment."""
    loop: Sequence[str] = ()
    """How its loop or its candidates stand, in words."""
    watched: str | None = None
    """What the swarm saw of a silent agent, when that is the last event."""

    @property
    def is_alone(self) -> bool:
        """No swarm runs."""
        return self.live_workers == 0

    def clock(self, time: datetime) -> str:
        """In the zone of whoever asks: that of `now`."""
        return clock(time, self.now.tzinfo)

    def still_to_come(self, time: datetime | None) -> datetime | None:
        return time if time is not None and time > self.now else None


@dataclass(frozen=True, slots=True)
class Explanation:
    summary: str
    """One sentence."""
    details: tuple[str, ...]
    until: datetime | None
    """The time that it waits for, when that is known and still to come."""
    next_step: str
