"""The queue of landings."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from abathur.domain.errors import StaleFenceError
from abathur.domain.records import differing
from abathur.infrastructure.database.stores.rows import landing_of, landing_row

if TYPE_CHECKING:
    from abathur.domain.landing import Landing
    from abathur.infrastructure.database.engines.base import Session


class SqlLandings:
    def __init__(self, session: Session) -> None:
        self._session = session

    def insert(self, landing: Landing) -> None:
        self._session.send("landings_insert", landing_row(landing))

    def get(self, landing_id: str) -> Landing | None:
        row = self._session.fetch_one("landings_get", id=landing_id)
        return None if row is None else landing_of(row)

    def foresee(self, landing_id: str) -> None:
        self._session.foresee("landings_get", "landings_ahead_of_time", id=landing_id)

    def of_task(self, task_id: str) -> Sequence[Landing]:
        return [landing_of(row) for row in self._session.fetch("landings_of_task", task_id=task_id)]

    def open(self) -> Sequence[Landing]:
        return [landing_of(row) for row in self._session.fetch("landings_open")]

    def wanted(self) -> Sequence[Landing]:
        return [landing_of(row) for row in self._session.fetch("landings_wanted")]

    def claim(
        self,
        worker_id: str,
        limit: int,
        now: datetime,
        lease_until: datetime,
        closed: Collection[str] = (),
    ) -> Sequence[Landing]:
        self._session.send("landings_claim_turn")
        rows = self._session.fetch(
            "landings_claim",
            worker_id=worker_id,
            limit=limit,
            now=now,
            lease_until=lease_until,
            closed=sorted(closed),
        )
        return sorted((landing_of(row) for row in rows), key=_order)

    def renew(self, worker_id: str, lease_until: datetime) -> Mapping[str, int]:
        rows = self._session.fetch("landings_renew", worker_id=worker_id, lease_until=lease_until)
        return {row["id"]: row["fence"] for row in rows}

    def held(self, worker_id: str) -> Sequence[Landing]:
        rows = self._session.fetch("landings_held", worker_id=worker_id)
        return sorted((landing_of(row) for row in rows), key=lambda landing: landing.id)

    def save(self, landing: Landing, fence: int, old: Landing | None = None) -> None:
        stale = StaleFenceError(
            f"landing {landing.id} was taken over by somebody else; nothing was written"
        )
        only = None if old is None else differing(old, landing) or None
        self._session.save("landings_save", only, stale, landing_row(landing), expected_fence=fence)

    def recent(self, limit: int) -> Sequence[Landing]:
        return [landing_of(row) for row in self._session.fetch("landings_recent", limit=limit)]

    def refused(self, limit: int) -> Sequence[Landing]:
        return [landing_of(row) for row in self._session.fetch("landings_refused", limit=limit)]


def _order(landing: Landing) -> tuple[bool, int, str]:
    """The first one of its batch, then by rank: what a statement returns has no order."""
    return landing.id != landing.batch, landing.rank, landing.id
