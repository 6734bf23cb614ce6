"""Memories that say nearly the same: proposed to a person, and never merged by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from abathur.domain.duplicates import near_duplicates, ordered
from abathur.domain.memories import Memory, text_of
from abathur.ports.memory import MemoryFilter
from abathur.ports.stores import Stores

LOOKED_AT: Final = 5000
"""The newest memories, which are compared with each other."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """To keep one of two memories."""

    keep: Memory
    """The more important one; of two alike, the one that was used more, then the older one."""
    other: Memory
    """The one that could go."""
    share: float
    """Of their words, those that both have."""


def proposals(
    stores: Stores, *, namespace: str | None, now: datetime, limit: int = 100
) -> Sequence[Proposal]:
    """Those that have most in common first."""
    found = stores.memories.select(MemoryFilter(namespace=namespace, limit=LOOKED_AT), now)
    memories = {one.id: one for one in found}
    pairs = ordered(near_duplicates({one.id: text_of(one.value) for one in found}))
    return [_proposal(memories[a], memories[b], share) for a, b, share in pairs[:limit]]


def _proposal(one: Memory, other: Memory, share: float) -> Proposal:
    keep, other = sorted(
        (one, other), key=lambda memory: (-memory.importance, -memory.access_count, memory.id)
    )
    return Proposal(keep, other, share)
