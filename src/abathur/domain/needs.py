"""What a swarm can need a person for, and how it says so."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Need(StrEnum):
    REVIEW = "review"
    """A question is open, and work waits for its answer."""
    TASK_FAILED = "task_failed"
    """A task won't be tried again."""
    SWARM_ERROR = "swarm_error"
    """The swarm was ended by an error."""
    SECRET = "secret"
    """Work that is about to land holds what looks like a secret."""
    TRUST = "trust"
    """A changed configuration isn't used before a person has agreed to it."""
    HOLD = "hold"
    """Something keeps tasks from being started, like a budget that is used up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What somebody is told who isn't looking."""

    need: Need
    text: str
    """One line, without secrets."""
    project: str
    """Name of its folder."""
    at: datetime
    task_id: str | None = None
    summary: str = ""
    """Of the task."""
