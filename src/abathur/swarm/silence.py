"""How long other workers have been silent, by this process's own steady clock.

Leases end at a time of day, and the time of day may jump. A worker that lives renews its leases
every few seconds and ends its agents at 70 % of a lease that it can't renew; both are measured by
clocks that don't jump. So whoever was seen to do nothing for as long as a lease lasts holds
nothing any more, whatever the time of day.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from abathur.domain.agents import Worker


class Silence:
    def __init__(self, lease_seconds: float) -> None:
        self._lease_seconds = lease_seconds
        self._beats: dict[str, tuple[datetime, float]] = {}
        """By worker: its last heartbeat, and when it was first seen here."""

    def note(self, live: Iterable[Worker], at: float) -> None:
        """Who is there now, as the database says; `at` is the steady clock's time."""
        before, self._beats = self._beats, {}
        for worker in live:
            beat, since = before.get(worker.id, (None, at))
            is_same = beat == worker.heartbeat_at
            self._beats[worker.id] = (worker.heartbeat_at, since if is_same else at)

    def is_over(self, worker_id: str | None, at: float) -> bool:
        """Whether a lease of that worker is really over: it is gone, or was silent for so long."""
        if worker_id not in self._beats:
            return True
        _, since = self._beats[worker_id]
        return at - since >= self._lease_seconds
