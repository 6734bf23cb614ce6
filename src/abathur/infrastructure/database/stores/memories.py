"""Memories and their versions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from abathur.domain.errors import ConflictError
from abathur.domain.memories import Memory, MemoryTotal, MemoryType, MemoryVersion
from abathur.domain.records import changed, made
from abathur.infrastructure.database.codecs import json_of, json_text, moment, time_of

if TYPE_CHECKING:
    from abathur.infrastructure.database.engines.base import Row, Session
    from abathur.ports.memory import MemoryFilter

TIMES = ("expires_at", "deleted_at", "last_used_at", "promoted_at")
CHANGING = (
    "id",
    "memory_type",
    "version",
    "importance",
    "task_id",
    "created_by",
    "created_at",
    "updated_by",
    "updated_at",
    "expires_at",
    "deleted_at",
    "promoted_at",
)


class SqlMemories:
    """Meets `ports.memory.MemoryStore`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, namespace: str, key: str) -> Memory | None:
        rows = self._whole("memories_get", namespace=namespace, key=key)
        return _memory_of(rows[0]) if rows else None

    def by_ids(self, ids: Collection[int]) -> Sequence[Memory]:
        rows = self._whole("memories_by_ids", ids=list(ids)) if ids else []
        return [_memory_of(row) for row in rows]

    def _whole(self, name: str, /, **params: object) -> Sequence[Row]:
        rows = self._session.fetch(name, **params)
        if all(row["entry_id"] is not None for row in rows):
            return rows
        # A version came while we waited for the row; now that it is locked, none comes any more.
        return self._session.fetch(name, **params)

    def select(self, where: MemoryFilter, now: datetime) -> Sequence[Memory]:
        rows = self._session.fetch(
            "memories_select",
            **conditions(where, now),
            task_id=where.task_id,
            also_gone=int(where.also_gone),
            before_id=where.before_id,
            limit=where.limit,
        )
        return [_memory_of(row) for row in rows]

    def count(self, namespace: str, now: datetime) -> int:
        row = self._session.fetch_one("memories_count", namespace=namespace, now=now)
        return int(row["n"]) if row else 0

    def count_keys(self, namespace: str) -> int:
        row = self._session.fetch_one("memories_count_keys", namespace=namespace)
        return int(row["n"]) if row else 0

    def expired(self, where: MemoryFilter, now: datetime) -> Sequence[Memory]:
        rows = self._session.fetch("memories_expired", **conditions(where, now), limit=where.limit)
        return [_memory_of(row) for row in rows]

    def insert(self, memory: Memory) -> Memory:
        # Not by a constraint that refuses: that would spoil the whole transaction on a server.
        made = self._session.fetch("memories_insert", **vars(memory))
        if not made:
            raise ConflictError(
                f"memory {memory.namespace} {memory.key} was added by somebody else meanwhile; "
                "read it"
            )
        return changed(memory, id=made[0]["id"], entry_id=self._insert_version(memory))

    def save(self, memory: Memory, expected_version: int, *, is_version: bool) -> Memory:
        values = vars(memory)
        found = self._session.execute(
            "memories_save",
            **{name: values[name] for name in CHANGING},
            expected_version=expected_version,
        )
        if not found:
            raise ConflictError(
                f"memory {memory.namespace} {memory.key} was changed by somebody else meanwhile; "
                "read it again"
            )
        return changed(memory, entry_id=self._insert_version(memory)) if is_version else memory

    def _insert_version(self, memory: Memory) -> int:
        (row,) = self._session.fetch(
            "memory_versions_insert", **{**vars(memory), "value": json_text(memory.value)}
        )
        return int(row["id"])

    def mark(self, memory: Memory, *, is_deleted: bool) -> None:
        self._session.execute(
            "memory_versions_mark",
            namespace=memory.namespace,
            key=memory.key,
            is_deleted=int(is_deleted),
        )

    def version(self, namespace: str, key: str, version: int) -> MemoryVersion | None:
        row = self._session.fetch_one(
            "memory_versions_get", namespace=namespace, key=key, version=version
        )
        return None if row is None else _version_of(row)

    def versions(self, namespace: str, key: str) -> Sequence[MemoryVersion]:
        rows = self._session.fetch("memory_versions_of", namespace=namespace, key=key)
        return [_version_of(row) for row in rows]

    def use(self, memory_id: int, task_id: str | None, now: datetime) -> None:
        self._session.execute("memories_touch", id=memory_id, now=now)
        if task_id is not None:
            self._session.execute(
                "memory_uses_insert", memory_id=memory_id, task_id=task_id, used_at=now
            )

    def users(self, memory_id: int, since: datetime | None) -> int:
        row = self._session.fetch_one("memory_uses_count", memory_id=memory_id, since=since)
        return int(row["n"]) if row else 0

    def totals(self, now: datetime) -> Sequence[MemoryTotal]:
        rows = self._session.fetch("memory_totals", now=now)
        return [
            MemoryTotal(**{**row, "memory_type": MemoryType(row["memory_type"])}) for row in rows
        ]


def conditions(where: MemoryFilter, now: datetime) -> dict[str, object]:
    return {
        "namespace": where.namespace,
        "types": None if where.types is None else sorted(where.types),
        "author": where.author,
        "since": where.since,
        "until": where.until,
        "now": now,
    }


def _memory_of(row: Row) -> Memory:
    row["value"] = json_of(row["value"])
    row["metadata"] = json_of(row["metadata"]) or {}
    row["memory_type"] = MemoryType(row["memory_type"])
    row["created_at"] = moment(row["created_at"])
    row["updated_at"] = moment(row["updated_at"])
    for name in TIMES:
        row[name] = time_of(row[name])
    return made(Memory, row)


def _version_of(row: Row) -> MemoryVersion:
    row["entry_id"] = row.pop("id")
    row["value"] = json_of(row["value"])
    row["metadata"] = json_of(row["metadata"]) or {}
    row["memory_type"] = MemoryType(row["memory_type"])
    row["is_deleted"] = bool(row["is_deleted"])
    row["created_at"] = moment(row["created_at"])
    row["updated_at"] = moment(row["updated_at"])
    return made(MemoryVersion, row)
