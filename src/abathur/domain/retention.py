"""How long memories last, how fast they fade, and when they become more than they were."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import log
from typing import Final

from abathur.domain.memories import Memory, MemoryType


@dataclass(frozen=True, slots=True)
class Retention:
    half_life: timedelta
    """After which an unused memory counts half."""
    lifetime: timedelta | None
    """After which it is gone, unless it was promoted."""
    becomes: MemoryType | None
    """What it is promoted to."""


RETENTION: Final[Mapping[MemoryType, Retention]] = {
    MemoryType.WORKING: Retention(timedelta(hours=6), timedelta(days=1), MemoryType.EPISODIC),
    MemoryType.EPISODIC: Retention(timedelta(days=14), timedelta(days=90), MemoryType.SEMANTIC),
    MemoryType.PROCEDURAL: Retention(timedelta(days=90), None, None),
    MemoryType.SEMANTIC: Retention(timedelta(days=180), None, None),
}

PROMOTED: Final = 0.7
"""The least importance of what several tasks have found useful."""
UNTRUSTED: Final = 0.2
"""The importance of a lesson that nobody but the agent that offers it has confirmed."""


def strength(memory: Memory, now: datetime) -> float:
    """What is left of a memory, from 1 to 0: `0.5 ** (age / half-life)`.

    The age is counted from the last use or change. The half-life grows with the logarithm of the
    accesses, as what is recalled again fades more slowly: H. Ebbinghaus, *Über das Gedächtnis*,
    1885, chapter 8.
    """
    since = max(memory.updated_at, memory.last_used_at or memory.updated_at)
    age = max(0.0, (now - since).total_seconds())
    half_life = RETENTION[memory.memory_type].half_life.total_seconds()
    halvings: float = age / (half_life * (1 + log(1 + memory.access_count)))
    return float(0.5**halvings)


def expiry(
    memory_type: MemoryType, now: datetime, lifetime: timedelta | None = None
) -> datetime | None:
    lasts = lifetime or RETENTION[memory_type].lifetime
    return None if lasts is None else now + lasts
