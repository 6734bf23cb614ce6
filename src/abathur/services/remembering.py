"""Memories: written version by version, looked up, used, promoted and let go."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from abathur.domain.audit import Action
from abathur.domain.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
)
from abathur.domain.memories import (
    Memory,
    MemoryRules,
    MemoryTotal,
    MemoryType,
    MemoryVersion,
    NewMemory,
    check_content,
    check_new,
    heading_of,
    text_of,
)
from abathur.domain.records import changed
from abathur.domain.retention import PROMOTED, RETENTION, expiry, strength
from abathur.domain.tasks import JsonObject
from abathur.ports.memory import MemoryFilter
from abathur.ports.stores import Stores
from abathur.services import trail

RULES: Final = MemoryRules()
PRUNED_AT_ONCE: Final = 500
UNCHANGED: Final[Any] = object()
"""In place of a value, as null is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryChange:
    """What a new version is like. What isn't given stays as it is."""

    value: Any = UNCHANGED
    metadata: JsonObject | None = None
    memory_type: MemoryType | None = None
    importance: float | None = None
    expected_version: int | None = None
    """The version that it was read with; another one now is a conflict."""
    task_id: str | None = None
    lifetime: timedelta | None = None
    """From now on; without it, what its type says."""


def add(
    stores: Stores,
    new: NewMemory,
    *,
    actor: str,
    now: datetime,
    rules: MemoryRules = RULES,
    has_room: bool = False,
) -> Memory:
    """Keep something new. A key whose memory was deleted or has expired goes on with a new version.

    `has_room` says that the caller has counted the namespace.

    Raises `ConflictError` when the key is used, `InvalidInputError` beyond the rules.
    """
    check_new(new, rules)
    old = stores.memories.get(new.namespace, new.key)
    if old is not None and not old.is_gone(now):
        raise _taken(new.namespace, new.key)
    if not has_room:
        _check_quota(stores, new.namespace, now, rules)
    memory = _first(new, actor, now)
    if old is None:
        kept = stores.memories.insert(memory)
    else:
        again = changed(
            memory,
            id=old.id,
            version=old.version + 1,
            access_count=old.access_count,
            last_used_at=old.last_used_at,
        )
        kept = stores.memories.save(again, old.version, is_version=True)
    _index(stores, kept)
    _record(stores, Action.MEMORY_ADDED, kept, actor, now, task_id=new.task_id)
    return kept


def _check_quota(stores: Stores, namespace: str, now: datetime, rules: MemoryRules) -> None:
    # Most namespaces are far from full: then it is enough to count keys.
    if stores.memories.count_keys(namespace) < rules.per_namespace:
        return
    if stores.memories.count(namespace, now) >= rules.per_namespace:
        raise InvalidInputError(
            f"namespace {namespace} holds {rules.per_namespace} memories, which is its quota; "
            "let some go by `abathur mem prune`, or use another namespace"
        )


def _taken(namespace: str, key: str) -> ConflictError:
    return ConflictError(
        f"memory {namespace} {key} is there already; write a new version of it "
        "(`abathur mem add --replace`), or use another key"
    )


def _first(new: NewMemory, actor: str, now: datetime) -> Memory:
    author = new.created_by or actor
    return Memory(
        id=0,
        entry_id=0,
        namespace=new.namespace,
        key=new.key,
        value=new.value,
        memory_type=new.memory_type,
        version=1,
        metadata=dict(new.metadata),
        importance=new.importance,
        task_id=new.task_id,
        created_by=author,
        created_at=now,
        updated_by=author,
        updated_at=now,
        expires_at=expiry(new.memory_type, now, new.lifetime),
        deleted_at=None,
        access_count=0,
        last_used_at=None,
        promoted_at=None,
    )


def get(stores: Stores, namespace: str, key: str, *, now: datetime) -> Memory:
    """The present version. Raises `NotFoundError`, also when it was deleted or has expired."""
    memory = stores.memories.get(namespace, key)
    if memory is None or memory.is_gone(now):
        raise _missing(namespace, key)
    return memory


def version_of(stores: Stores, namespace: str, key: str, version: int) -> MemoryVersion:
    """Any version, also of a deleted memory. Raises `NotFoundError`."""
    found = stores.memories.version(namespace, key, version)
    if found is None:
        raise NotFoundError(
            f"memory {namespace} {key} has no version {version}; "
            "`abathur mem history` shows which there are"
        )
    return found


def history(stores: Stores, namespace: str, key: str) -> Sequence[MemoryVersion]:
    """All versions, the first one first. Raises `NotFoundError` when there are none."""
    found = stores.memories.versions(namespace, key)
    if not found:
        raise _missing(namespace, key)
    return found


def select(stores: Stores, where: MemoryFilter, *, now: datetime) -> Sequence[Memory]:
    """The newest first."""
    return stores.memories.select(where, now)


def totals(stores: Stores, *, now: datetime) -> Sequence[MemoryTotal]:
    return stores.memories.totals(now)


def update(
    stores: Stores,
    namespace: str,
    key: str,
    change: MemoryChange,
    *,
    updated_by: str,
    actor: str,
    now: datetime,
    rules: MemoryRules = RULES,
) -> Memory:
    """Write a new version; what the change leaves out is taken over from the one before.

    Raises `NotFoundError`, `ConflictError`, `InvalidInputError`.
    """
    old = get(stores, namespace, key, now=now)
    if change.expected_version is not None and change.expected_version != old.version:
        raise ConflictError(
            f"memory {namespace} {key} has version {old.version}, not {change.expected_version}: "
            "somebody changed it meanwhile; read it again"
        )
    kind = change.memory_type or old.memory_type
    new = changed(
        old,
        value=old.value if change.value is UNCHANGED else change.value,
        metadata=old.metadata if change.metadata is None else dict(change.metadata),
        memory_type=kind,
        importance=old.importance if change.importance is None else change.importance,
        version=old.version + 1,
        updated_by=updated_by,
        updated_at=now,
        expires_at=expiry(kind, now, change.lifetime),
    )
    return _save_version(stores, new, old, Action.MEMORY_UPDATED, change.task_id, actor, now, rules)


def _save_version(
    stores: Stores,
    new: Memory,
    old: Memory,
    action: Action,
    task_id: str | None,
    actor: str,
    now: datetime,
    rules: MemoryRules,
) -> Memory:
    check_content(new.value, new.metadata, new.importance, rules)
    kept = stores.memories.save(new, old.version, is_version=True)
    _index(stores, kept)
    _record(stores, action, kept, actor, now, task_id=task_id or old.task_id)
    return kept


def delete(
    stores: Stores,
    namespace: str,
    key: str,
    *,
    actor: str,
    now: datetime,
    expected_version: int | None = None,
    task_id: str | None = None,
) -> bool:
    """Take the memory out of every answer; False when there is none. Its versions stay readable.

    Raises `ConflictError`.
    """
    old = stores.memories.get(namespace, key)
    if old is None or old.deleted_at is not None:
        return False
    if expected_version is not None and expected_version != old.version:
        raise ConflictError(
            f"memory {namespace} {key} has version {old.version}, not {expected_version}: "
            "somebody changed it meanwhile; read it again"
        )
    gone = changed(old, deleted_at=now)
    stores.memories.save(gone, old.version, is_version=False)
    stores.memories.mark(gone, is_deleted=True)
    stores.passages.drop_memory(old.id)
    _record(stores, Action.MEMORY_DELETED, gone, actor, now, task_id=task_id or old.task_id)
    return True


def restore(
    stores: Stores,
    namespace: str,
    key: str,
    *,
    actor: str,
    now: datetime,
    version: int | None = None,
    rules: MemoryRules = RULES,
) -> Memory:
    """Bring a deleted or expired memory back, or an earlier version, as a new one.

    Raises `NotFoundError`, `ConflictError` when there is nothing to restore, `InvalidInputError`
    when its namespace is full.
    """
    old = stores.memories.get(namespace, key)
    if old is None:
        raise _missing(namespace, key)
    if version is None and not old.is_gone(now):
        raise ConflictError(
            f"memory {namespace} {key} is neither deleted nor expired; name the version to go back "
            "to"
        )
    if old.is_gone(now):
        _check_quota(stores, namespace, now, rules)
    back = changed(old, deleted_at=None, expires_at=expiry(old.memory_type, now))
    if old.deleted_at is not None:
        stores.memories.mark(old, is_deleted=False)
    if version is not None and version != old.version:
        earlier = version_of(stores, namespace, key, version)
        back = changed(
            back,
            value=earlier.value,
            metadata=earlier.metadata,
            memory_type=earlier.memory_type,
            expires_at=expiry(earlier.memory_type, now),
            version=old.version + 1,
            updated_by=actor,
            updated_at=now,
        )
    kept = stores.memories.save(back, old.version, is_version=back.version != old.version)
    _index(stores, kept)
    _record(stores, Action.MEMORY_RESTORED, kept, actor, now, task_id=old.task_id, restored=version)
    return kept


def use(
    stores: Stores,
    memory_ids: Collection[int],
    *,
    task_id: str | None,
    actor: str,
    now: datetime,
    rules: MemoryRules = RULES,
) -> None:
    """Note that memories were used, and promote those that enough distinct tasks have used.

    A working memory becomes an episodic one, that a semantic one; all become important.
    """
    for memory in stores.memories.by_ids(memory_ids):
        stores.memories.use(memory.id, task_id, now)
        is_needed = stores.memories.users(memory.id, memory.promoted_at) >= rules.promoted_by
        if is_needed and (
            RETENTION[memory.memory_type].becomes is not None or memory.importance < PROMOTED
        ):
            promote(stores, memory, actor=actor, now=now)


def promote(stores: Stores, memory: Memory, *, actor: str, now: datetime) -> Memory:
    """Let it last longer and count for more."""
    kind = RETENTION[memory.memory_type].becomes or memory.memory_type
    better = changed(
        memory,
        memory_type=kind,
        importance=max(memory.importance, PROMOTED),
        expires_at=expiry(kind, now),
        promoted_at=now,
    )
    kept = stores.memories.save(better, memory.version, is_version=False)
    told = {"memory_type": [memory.memory_type, kind], "importance": better.importance}
    _record(stores, Action.MEMORY_PROMOTED, kept, actor, now, task_id=memory.task_id, **told)
    return kept


def faded(
    stores: Stores,
    where: MemoryFilter,
    *,
    now: datetime,
    weaker_than: float | None = None,
) -> Sequence[Memory]:
    """Memories that have expired, and with `weaker_than` those that have faded below it."""
    expired = stores.memories.expired(where, now)
    weak = [
        memory
        for memory in stores.memories.select(where, now)
        if weaker_than is not None and strength(memory, now) < weaker_than
    ]
    return [*expired, *weak][: where.limit]


def prune(
    stores: Stores, memories: Sequence[Memory], *, actor: str, now: datetime
) -> Sequence[Memory]:
    """Delete those that are as they were selected, of the first `PRUNED_AT_ONCE`.

    They can be restored.
    """
    gone = []
    for memory in memories[:PRUNED_AT_ONCE]:
        try:
            where = (memory.namespace, memory.key)
            expected = memory.version
            if delete(stores, *where, actor=actor, now=now, expected_version=expected):
                gone.append(memory)
        except ConflictError:
            continue
    return gone


def _missing(namespace: str, key: str) -> NotFoundError:
    return NotFoundError(
        f"there is no memory {namespace} {key}; `abathur mem list` shows what there is, "
        "`abathur mem history` what there was"
    )


def _index(stores: Stores, memory: Memory) -> None:
    stores.passages.set_memory(
        memory.id, heading_of(memory.namespace, memory.key), text_of(memory.value)
    )


def _record(
    stores: Stores,
    action: Action,
    memory: Memory,
    actor: str,
    now: datetime,
    *,
    task_id: str | None,
    **data: Any,
) -> None:
    told = {"namespace": memory.namespace, "key": memory.key, "version": memory.version}
    trail.record(stores, action, trail.known(stores, task_id), actor, now, **told, **data)
