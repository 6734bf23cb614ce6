"""Writing a change of a task together with its entry in the audit trail."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from abathur.domain.audit import Action, AuditEntry
from abathur.domain.records import differing, made
from abathur.domain.tasks import JsonObject, Task
from abathur.ports.stores import Stores

UNTOLD = frozenset({"id", "prerequisites", "last_updated_at", "lease_until"})
"""What differences leave out: told by the entry itself, never changed, or renewed by heartbeats."""


def record(
    stores: Stores, action: Action, task_id: str, actor: str, now: datetime, **data: Any
) -> None:
    tell(stores, action, task_id, actor, now, data)


def tell(
    stores: Stores, action: Action, task_id: str, actor: str, now: datetime, data: JsonObject
) -> None:
    """As `record`, of what is a mapping already: copying one for each call shows."""
    entry = {
        "timestamp": now,
        "task_id": task_id,
        "action_type": action,
        "actor": actor,
        "action_data": data,
        "id": None,
    }
    stores.audit.append(made(AuditEntry, entry))


def save(
    stores: Stores, action: Action, old: Task, new: Task, actor: str, now: datetime, **data: Any
) -> Task:
    """Write the task under the fence that `old` was read with, and what changed to the trail.

    `data` is told besides. Raises `StaleFenceError`.
    """
    names = differing(old, new)
    stores.tasks.save(new, old.fence, names)
    told = _told(names, old, new)
    tell(stores, action, new.id, actor, now, {**told, **data} if data else told)
    return new


def changes(old: Task, new: Task) -> dict[str, Any]:
    """`status` as [old, new], every other changed field with its new value."""
    return _told(differing(old, new), old, new)


def _told(names: Iterable[str], old: Task, new: Task) -> dict[str, Any]:
    values = vars(new)
    told = {name: values[name] for name in names if name not in UNTOLD}
    if "status" in told:
        told["status"] = [old.status, new.status]
    return told


def known(stores: Stores, task_id: str | None) -> str:
    """The id, if there is such a task; else the empty one, whose trail is of no task."""
    return task_id if task_id and stores.tasks.get(task_id) is not None else ""
