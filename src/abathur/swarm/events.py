"""What a swarm tells while it works, for logs and views.

A sink is called on the swarm's own loop: it must return at once and must not raise. Events may be
dropped by whoever shows them; the database holds the truth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from abathur.domain.tasks import JsonObject


class SwarmEventKind(StrEnum):
    SWARM_STARTED = "swarm_started"
    SWARM_STOPPING = "swarm_stopping"
    SWARM_STOPPED = "swarm_stopped"
    TASK_CLAIMED = "task_claimed"
    AGENT_STARTED = "agent_started"
    AGENT_EVENT = "agent_event"
    AGENT_SILENT = "agent_silent"
    """No output for long; what else was seen of it."""
    ATTEMPT_ENDED = "attempt_ended"
    TASK_WAITS = "task_waits"
    """Handed back for another try, now or later."""
    TASK_TAKEN_BACK = "task_taken_back"
    """A dead worker held it."""
    ITERATION = "iteration"
    """Of a loop: its work is done, or it is being measured."""
    WORK_SALVAGED = "work_salvaged"
    LIMIT_REACHED = "limit_reached"
    """A provider's limit: what draws on it waits."""
    LIMIT_OVER = "limit_over"
    LANDING_STARTED = "landing_started"
    LANDING_SPLIT = "landing_split"
    """Several that a gate refused together are tried in halves."""
    LANDING_REFUSED = "landing_refused"
    GATE_FLAKY = "gate_flaky"
    """A gate failed and then passed on the same tree."""
    SCHEDULE_FIRED = "schedule_fired"
    """A due time of a schedule was dealt with; `data["tasks"]` are those submitted."""
    SETTINGS_CHANGED = "settings_changed"
    """The configuration was read again; `data["changed"]` names what is another now."""
    ROOM_AGAIN = "room_again"
    """The disk was too full to start anything."""
    CLEANED = "cleaned"
    """What was proven to be of no use has been removed."""
    OVERLAP_FOUND = "overlap_found"
    """Work that lands changes what another task, under way, declared or changed too."""
    TASK_COMPLETED = "task_completed"
    TASK_FAILED = "task_failed"
    TASK_CANCELLED = "task_cancelled"
    NEEDS_PERSON = "needs_person"
    """Something waits for a person; `data["need"]` is a `domain.needs.Need`."""
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class SwarmEvent:
    kind: SwarmEventKind
    at: datetime
    text: str
    """One line for a person, without the time and the id."""
    task_id: str | None = None
    summary: str = ""
    """Of the task."""
    attempt: int | None = None
    agent_type: str = ""
    target: str | None = None
    """Of the task; None when it names none."""
    ready_at: datetime | None = None
    """Of a claim: since when the task could have been claimed, where that is known."""
    worker_id: str = ""
    """Who tells it."""
    data: JsonObject = field(default_factory=dict)


Sink = Callable[[SwarmEvent], None]
