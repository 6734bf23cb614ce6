"""Where the spans of tasks are sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from abathur.domain.spans import Span


class TraceExporter(Protocol):
    def is_sampled(self, task_id: str) -> bool:
        """Whether the task's trace is wanted; the same whoever is asked."""
        ...

    def begin(self, task_id: str) -> None:
        """Write down that the task has something to be sent, which outlives a crash."""
        ...

    def put(self, task_id: str, spans: Sequence[Span]) -> None:
        """Send them when there is time. Never blocks and never raises; what is too much is lost."""
        ...

    def left_behind(self) -> Sequence[str]:
        """Ids of tasks of which a swarm that was killed may not have told all."""
        ...

    def close(self, timeout_seconds: float) -> None:
        """Send what is left, for so long at most."""
        ...
