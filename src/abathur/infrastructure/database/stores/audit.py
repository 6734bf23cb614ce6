"""The audit trail: only ever appended to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from abathur.domain.audit import START, AuditRow, Head, framed_entry, linked
from abathur.domain.records import made
from abathur.infrastructure.database.codecs import json_text, time_text
from abathur.infrastructure.database.stores.rows import audit_of
from abathur.infrastructure.database.stores.tasks import ABOVE_ALL_IDS

if TYPE_CHECKING:
    from abathur.domain.audit import AuditEntry
    from abathur.infrastructure.database.engines.base import Row, Session

PAGE: Final = 2000


def chained(rows: list[Row], framed: Iterable[bytes], ends: Iterable[Row]) -> list[Row]:
    """Give entries their places after these ends, and hand back the heads that they make.

    `framed` is what each says; `ends` are the heads that there are, and as one without a task the
    last id that was given.
    """
    last = {end["task_id"]: (end["sequence"], end["hash"]) for end in ends}
    row_id, _ = last.pop(None)
    for row, entry in zip(rows, framed, strict=True):
        task_id = row["task_id"]
        sequence, previous = last.get(task_id, (0, START))
        row_id, sequence = row_id + 1, sequence + 1
        digest = linked(previous, sequence, row_id, entry)
        row.update(id=row_id, sequence=sequence, hash=digest)
        last[task_id] = sequence, digest
    return [
        {"task_id": task_id, "sequence": last[task_id][0], "hash": last[task_id][1]}
        for task_id in {row["task_id"]: None for row in rows}
    ]


class SqlAudit:
    def __init__(self, session: Session) -> None:
        self._session = session

    def append(self, entry: AuditEntry) -> None:
        row = {
            "task_id": entry.task_id,
            "timestamp": time_text(entry.timestamp),
            "actor": entry.actor,
            "action_type": str(entry.action_type),
            "action_data": json_text(entry.action_data),
        }
        self._session.put_off(self._write, "audit_append_apart", row)

    def _write(self, rows: list[Row]) -> None:
        # Before the turn, for which others may be waiting.
        framed = [framed_entry(**row) for row in rows]
        self._session.send("audit_turn")
        ends = self._session.fetch("audit_ends", ids=list({row["task_id"]: None for row in rows}))
        heads = chained(rows, framed, ends)
        self._session.execute_many("audit_insert", rows)
        self._session.execute_many("audit_heads_save", heads)

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
