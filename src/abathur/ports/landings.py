"""What the use cases need to know of the landing queue."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from abathur.domain.landing import Landing


class LandingStore(Protocol):
    def insert(self, landing: Landing) -> None: ...

    def get(self, landing_id: str) -> Landing | None: ...

    def foresee(self, landing_id: str) -> None: ...

    def of_task(self, task_id: str) -> Sequence[Landing]: ...

    def open(self) -> Sequence[Landing]:
        """Those that aren't ended, in the order in which they will be taken."""
        ...

    def wanted(self) -> Sequence[Landing]:
        """Those of `open` that don't wait for a person's approval."""
        ...

    def claim(
        self,
        worker_id: str,
        limit: int,
        now: datetime,
        lease_until: datetime,
        closed: Collection[str] = (),
    ) -> Sequence[Landing]:
        """Take the next of `wanted` of one target that has none under way, in their order.

        Those whose lease is over are taken again, with what they had reached. Landings that were
        begun are taken before others and not together with them, however many there are.
        On `closed` targets none is begun.
        """
        ...

    def renew(self, worker_id: str, lease_until: datetime) -> Mapping[str, int]: ...

    def held(self, worker_id: str) -> Sequence[Landing]: ...

    def save(self, landing: Landing, fence: int, old: Landing | None = None) -> None:
        """As `TaskStore.save`, of the columns that differ from `old`, which was read."""
        ...

    def recent(self, limit: int) -> Sequence[Landing]: ...

    def refused(self, limit: int) -> Sequence[Landing]:
        """The last landings of failed tasks, where they refused the work; the newest task first."""
        ...
