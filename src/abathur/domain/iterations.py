"""What is written down of a loop and of its iterations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from abathur.domain.loops.patterns import Pattern
from abathur.domain.loops.readings import Reading
from abathur.domain.loops.specs import Otherwise, Strategy
from abathur.domain.records import record
from abathur.domain.tasks import JsonObject


@record
class Loop:
    task_id: str
    spec: JsonObject
    """As `loop_spec` reads it."""
    created_by: str
    created_at: datetime
    stop_as: Otherwise | None
    """Somebody has asked it to end, and what is to become of its best iteration then."""
    stopped_by: str | None


class Next(StrEnum):
    AGAIN = "again"
    LAND = "land"
    ASK = "ask"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What follows an iteration."""

    next: Next
    why: str
    number: int | None = None
    """The iteration that lands, or that the next one goes on from; None is from the target."""
    pattern: Pattern | None = None
    strategy: Strategy = Strategy.FEEDBACK
    runtime: str | None = None
    model: str | None = None


@record
class Iteration:
    task_id: str
    number: int
    attempt: int
    """The one whose agent made the work."""
    runtime: str | None
    model: str | None
    strategy: Strategy | None
    """How it went about it; None for the first."""
    pattern: Pattern | None
    """What that was the answer to."""
    target: str
    base_commit: str
    work_commit: str
    tree: str
    started_at: datetime
    measured_at: datetime | None
    """None while it is a checkpoint: the work is done, and hasn't been measured."""
    measurement: JsonObject | None
    reading: Reading | None
    verdict: Verdict | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A measured iteration, as its worker hands it in."""

    number: int
    attempt: int
    target: str
    base_commit: str
    work_commit: str
    tree: str
    measurement: Mapping[str, Any] = field(default_factory=dict)
    is_settling: bool = False
    """Nothing was run: the loop was asked to end."""
    is_splitting: bool = False
    """Nothing was made or measured: the agent was asked for parts of its task."""
