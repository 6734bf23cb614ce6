"""Older trails as entries of today's: told as what they are, never as if this version did it."""

from __future__ import annotations

from collections.abc import Set
from datetime import datetime
from typing import Any, Final

from abathur.domain.audit import Action, AuditEntry
from abathur.domain.tasks import Task
from abathur.infrastructure.database.legacy import values
from abathur.infrastructure.database.legacy.ids import id_of
from abathur.infrastructure.database.legacy.reading import jsonable
from abathur.infrastructure.database.legacy.taking import Taking

TRAILS: Final = ("audit", "audit_log")
ACTIONS: Final = ("action_type", "operation", "action")
SUBJECTS: Final = ("task_id", "resource_id", "entity_id")
TIMES: Final = ("timestamp", "created_at")
DATA: Final = ("action_data", "metadata")
ACTOR: Final = "legacy"


def entry_of(taking: Taking) -> AuditEntry | None:
    """The row with all its values; None when it is about no task, and the taking says so."""
    _, kind = taking.first("entity_type")
    subject_name, subject = taking.first(*SUBJECTS)
    action_name, action = taking.first(*ACTIONS)
    time_name, _ = taking.first(*TIMES)
    task_id, at = id_of(subject), values.time(taking, *TIMES)
    if task_id is None or kind not in (None, "task"):
        taking.refuse("not converted: an entry about no task")
        return None
    if at is None:
        taking.refuse("not converted: an entry without a time")
        return None
    used = {action_name, time_name, "actor"}
    if task_id == subject:
        used.add(subject_name)
    told = {"action": "" if action is None else str(action), **_told(taking, used)}
    actor = values.text(taking, "actor") or ACTOR
    taking.take_all()
    return AuditEntry(
        timestamp=at,
        task_id=task_id,
        action_type=Action.LEGACY_RECORDED,
        actor=actor,
        action_data=told,
    )


def import_of(task: Task, now: datetime) -> AuditEntry:
    """Tells the whole task, as its submission would: from here on the trail tells differences."""
    told = {name: _plain(getattr(task, name)) for name in Task.__dataclass_fields__}
    return AuditEntry(
        timestamp=now,
        task_id=task.id,
        action_type=Action.TASK_IMPORTED,
        actor=ACTOR,
        action_data={name: value for name, value in told.items() if value is not None},
    )


def _told(taking: Taking, used: Set[str]) -> dict[str, Any]:
    return {
        name: _parsed(value) if name in DATA and isinstance(value, str) else jsonable(value)
        for name, value in taking.row.values.items()
        if value is not None and name not in used
    }


def _parsed(text: str) -> Any:
    try:
        return values.parsed(text)
    except ValueError:
        return text


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
