"""The audit trail: only ever appended to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from abathur.domain.audit import AuditEntry, AuditRow, Head
from abathur.domain.records import made
from abathur.infrastructure.database.engines.base import Session
from abathur.infrastructure.database.stores.rows import audit_of
from abathur.infrastructure.database.stores.tasks import ABOVE_ALL_IDS

PAGE: Final = 2000


class SqlAudit:
    def __init__(self, session: Session) -> None:
        self._session = session

    def append(self, entry: AuditEntry) -> None:
        self._session.send(
            "audit_insert",
            timestamp=entry.timestamp,
            task_id=entry.task_id,
            actor=entry.actor,
            action_type=entry.action_type,
            action_data=dict(entry.action_data),
        )
        self._session.send("audit_heads_save")

    def of_task(self, task_id: str, limit: int = 1000) -> Sequence[AuditEntry]:
        newest_first = self._session.fetch("audit_of_task", task_id=task_id, limit=limit)
        return [audit_of(row) for row in reversed(newest_first)]

    def recent(self, limit: int) -> Sequence[AuditEntry]:
        return [audit_of(row) for row in self._session.fetch("audit_recent", limit=limit)]

    def after(
        self, row_id: int, limit: int = 1000, task_id: str | None = None
    ) -> Sequence[AuditEntry]:
        if task_id is None:
            rows = self._session.fetch("audit_after", after_id=row_id, limit=limit)
        else:
            rows = self._session.fetch(
                "audit_of_task_after", after_id=row_id, limit=limit, task_id=task_id
            )
        return [audit_of(row) for row in rows]

    def rows(self) -> Iterator[AuditRow]:
        last = {"task_id": "", "sequence": 0, "id": 0}
        while page := self._session.fetch("audit_rows", **last, limit=PAGE):
            for row in page:
                yield made(AuditRow, row)
            last = {name: page[-1][name] for name in last}

    def rows_of(self, task_id: str) -> Sequence[AuditRow]:
        return [
            made(AuditRow, row) for row in self._session.fetch("audit_rows_of", task_id=task_id)
        ]

    def heads(self, task_ids: Iterable[str]) -> Sequence[Head]:
        rows = self._session.fetch("audit_heads_of", ids=list(task_ids))
        return [Head(**row) for row in rows]

    def by_prefix(self, prefix: str, limit: int) -> Sequence[str]:
        rows = self._session.fetch(
            "audit_ids_by_prefix", low=prefix, high=prefix + ABOVE_ALL_IDS, limit=limit
        )
        return [row["task_id"] for row in rows]

    def removed(self) -> Sequence[Head]:
        return [Head(**row) for row in self._session.fetch("audit_heads_without_rows")]

    def tasks_without(self) -> Sequence[str]:
        return [row["id"] for row in self._session.fetch("audit_tasks_without_rows")]

    def gaps(self) -> Sequence[tuple[int, int]]:
        return [(row["first"], row["last"]) for row in self._session.fetch("audit_gaps")]
