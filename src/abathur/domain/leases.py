"""Who holds a piece of work, until when, and whether a writer is still the holder.

A lease is (worker, fence, until). The fence is an integer on the row that every change of holder
or status increments, so it never has the same value for two holders, even when the same worker
gets the same task again. A write names the fence that its writer was given and nothing else: a
worker that slept through its lease finds another number and is refused, whatever its clock says.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from abathur.domain.errors import StaleFenceError


@dataclass(frozen=True, slots=True)
class Lease:
    worker_id: str
    fence: int
    until: datetime

    def is_expired(self, now: datetime) -> bool:
        """At the very instant `until` it is over: the holder has to stop before."""
        return now >= self.until

    def renewed(self, now: datetime, length: timedelta) -> Lease:
        """The same lease, reaching further. Never shortened, whatever the clock did meanwhile."""
        return Lease(self.worker_id, self.fence, max(self.until, now + length))


def check_fence(what: str, current: int, given: int) -> None:
    """Raise `StaleFenceError` unless the writer still holds `what`."""
    if current != given:
        raise StaleFenceError(
            f"{what} is no longer held by this writer (its fence is {given}, now it is {current}); "
            "nothing was written"
        )
