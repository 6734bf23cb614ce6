"""How many agents may be at work at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """They count over all processes that share the queue. What isn't named has no limit."""

    agent_types: Mapping[str, int] = field(default_factory=dict)
    targets: Mapping[str, int] = field(default_factory=dict)
    host: int | None = None
    """On one machine, whatever the number of swarms there."""

    def __bool__(self) -> bool:
        return bool(self.agent_types or self.targets or self.host is not None)
