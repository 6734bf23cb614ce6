"""Which tasks may run, and who runs them until when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from abathur.infrastructure.database.codecs import time_of
from abathur.infrastructure.database.stores.rows import task_of

if TYPE_CHECKING:
    from abathur.domain.tasks import Task
    from abathur.infrastructure.database.engines.base import Row, Session


class SqlClaims:
    def __init__(self, session: Session) -> None:
        self._session = session

    def claim(
        self, worker_id: str, limit: int, now: datetime, lease_until: datetime
    ) -> Sequence[Task] | None:
        rows = self._session.fetch(
            "tasks_claim", worker_id=worker_id, limit=limit, now=now, lease_until=lease_until
        )
        return None if rows and rows[0]["id"] is None else _in_order(rows)

    def claim_these(
        self, worker_id: str, ids: Sequence[str], now: datetime, lease_until: datetime
    ) -> Sequence[Task]:
        return _in_order(
            self._session.fetch(
                "tasks_claim_these",
                worker_id=worker_id,
                ids=list(ids),
                now=now,
                lease_until=lease_until,
            )
        )

    def renew(self, worker_id: str, lease_until: datetime) -> Mapping[str, int]:
        rows = self._session.fetch("tasks_renew", worker_id=worker_id, lease_until=lease_until)
        return {row["id"]: row["fence"] for row in rows}

    def held(self, worker_id: str) -> Sequence[Task]:
        rows = self._session.fetch("tasks_held", worker_id=worker_id)
        return sorted((task_of(row) for row in rows), key=lambda t: t.id)

    def expired(self, now: datetime) -> Sequence[Task]:
        return [task_of(row) for row in self._session.fetch("tasks_expired", now=now)]

    def due(self, now: datetime) -> Sequence[Task]:
        return [task_of(row) for row in self._session.fetch("tasks_due", now=now)]

    def next_due(self) -> datetime | None:
        row = self._session.fetch_one("tasks_next_due")
        return time_of(row["at"]) if row else None

    def any_ready(self) -> bool:
        return self._session.fetch_one("tasks_any_ready") is not None

    def any_running(self) -> bool:
        return self._session.fetch_one("tasks_any_running") is not None

    def any_backing_off(self) -> bool:
        return self._session.fetch_one("tasks_any_backing_off") is not None


def _in_order(rows: Iterable[Row]) -> Sequence[Task]:
    """That of claiming; RETURNING has no order of its own."""
    return sorted((task_of(row) for row in rows), key=lambda t: (t.rank, t.id))
