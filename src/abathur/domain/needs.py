"""What a swarm can need a person for."""

from __future__ import annotations

from enum import StrEnum


class Need(StrEnum):
    REVIEW = "review"
    """A question is open, and work waits for its answer."""
    TASK_FAILED = "task_failed"
    """A task won't be tried again."""
    SWARM_ERROR = "swarm_error"
    """The swarm was ended by an error."""
    HOLD = "hold"
    """Something keeps tasks from being started, like a budget that is used up."""
