"""The audit trail: only ever appended to."""

from __future__ import annotations

from collections.abc import Sequence

from abathur.domain.audit import AuditEntry
from abathur.infrastructure.database.engines.base import Session
from abathur.infrastructure.database.stores.rows import audit_of


class SqlAudit:
    def __init__(self, session: Session) -> None:
        self._session = session

    def append(self, entry: AuditEntry) -> None:
        self._session.execute(
            "audit_insert",
            timestamp=entry.timestamp,
            task_id=entry.task_id,
            actor=entry.actor,
            action_type=entry.action_type,
            action_data=dict(entry.action_data),
        )

    def of_task(self, task_id: str, limit: int = 1000) -> Sequence[AuditEntry]:
        newest_first = self._session.fetch("audit_of_task", task_id=task_id, limit=limit)
        return [audit_of(row) for row in reversed(newest_first)]

    def recent(self, limit: int, after_id: int = 0) -> Sequence[AuditEntry]:
        rows = self._session.fetch("audit_recent", limit=limit, after_id=after_id)
        return [audit_of(row) for row in rows]
