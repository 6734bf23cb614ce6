"""The trail: one entry for every change of every task, written in the change's own transaction."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from abathur.domain.tasks import JsonObject


class Action(StrEnum):
    """The closed list of what can be done to a task."""

    TASK_SUBMITTED = "task_submitted"
    TASK_READY = "task_ready"
    TASK_CLAIMED = "task_claimed"
    ATTEMPT_STARTED = "attempt_started"
    ATTEMPT_ENDED = "attempt_ended"
    TASK_ADOPTED = "task_adopted"
    TASK_HANDED_BACK = "task_handed_back"
    TASK_BACKED_OFF = "task_backed_off"
    LANDING_REQUESTED = "landing_requested"
    LANDING_STARTED = "landing_started"
    LANDING_ENDED = "landing_ended"
    WORK_SALVAGED = "work_salvaged"
    TASK_COMPLETED = "task_completed"
    TASK_FAILED = "task_failed"
    TASK_CANCELLED = "task_cancelled"
    TASK_RETRIED = "task_retried"
    TASK_RERANKED = "task_reranked"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    timestamp: datetime
    task_id: str
    action_type: Action
    actor: str
    """Who did it: `cli:USER`, `worker:ID`, `mcp:TASK`."""
    action_data: JsonObject = field(default_factory=dict)
    """What changed: `status` as [old, new] where it did, and the other new values by column."""
    id: int | None = None
    """Given by the database, without gaps."""
