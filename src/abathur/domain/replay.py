"""Telling a task from its trail: as it is, or as it was at any moment.

The entries are enough. The first one tells the whole task, each later one what changed; a few
fields follow from the kind of entry.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from abathur.domain.audit import Action, AuditRow
from abathur.domain.tasks import Task, TaskSource, TaskStatus

UNTOLD: Final = frozenset({"lease_until"})
"""Not in the trail: a heartbeat renews it, which is no change of the task."""

NOTES: Final = frozenset(
    {
        Action.ATTEMPT_ENDED.value,
        Action.LANDING_STARTED.value,
        Action.LANDING_ENDED.value,
        Action.RESULT_REPORTED.value,
        Action.PROGRESS_NOTED.value,
        Action.WORK_SALVAGED.value,
        Action.REVIEW_ASKED.value,
        Action.REVIEW_APPROVED.value,
        Action.REVIEW_REJECTED.value,
        Action.REVIEW_VOIDED.value,
        Action.BUDGET_SET.value,
        Action.LATE_REPORT_KEPT.value,
        Action.ROW_FIXED.value,
        Action.OVERLAP_FOUND.value,
        Action.LOOP_STARTED.value,
        Action.LOOP_STOPPED.value,
        Action.ITERATION_MADE.value,
        Action.ITERATION_ENDED.value,
        Action.TRANSCRIPTS_REMOVED.value,
        Action.SALVAGE_REMOVED.value,
        Action.WITHDRAWN_REMOVED.value,
        Action.REPORT_REMOVED.value,
        Action.HOLD_BEGUN.value,
        Action.HOLD_ENDED.value,
        Action.MEMORY_ADDED.value,
        Action.MEMORY_UPDATED.value,
        Action.MEMORY_PROMOTED.value,
        Action.MEMORY_DELETED.value,
        Action.MEMORY_RESTORED.value,
        Action.DOCUMENT_INDEXED.value,
        Action.DOCUMENT_REMOVED.value,
        Action.SESSION_CREATED.value,
        Action.SESSION_ARCHIVED.value,
        Action.SCHEDULE_ADDED.value,
        Action.SCHEDULE_PAUSED.value,
        Action.SCHEDULE_RESUMED.value,
        Action.SCHEDULE_REMOVED.value,
        Action.SCHEDULE_FIRED.value,
        Action.SCHEDULE_SKIPPED.value,
        "legacy_recorded",
    }
)
"""Actions that leave the task as it is."""

NEW_HOLDER: Final = frozenset({Action.TASK_ADOPTED.value, Action.LANDING_REQUESTED.value})
"""Actions that raise the fence without a change of status."""

FIELDS: Final = frozenset(Task.__dataclass_fields__)
WHOLE: Final = frozenset({"prompt", "submitted_at"})
"""An entry with these fields tells the whole task."""
TIMES: Final = (
    "deadline",
    "submitted_at",
    "started_at",
    "completed_at",
    "last_updated_at",
    "not_before",
)
DEFAULTS: Final[Mapping[str, object]] = {"input_data": {}, "prerequisites": ()}
REFERENCES: Final = frozenset({"parent_task_id", "cancelled_by"})


class NotTold(ValueError):
    """The entries don't tell a task. They were changed, or written by something else."""


def replay(rows: Iterable[AuditRow], until: datetime | None = None) -> Task | None:
    """The task after those of its entries that are not later than `until`, or after all.

    None when it didn't exist then, or was pruned. The rows are one task's, in their order. Raises
    `NotTold`.
    """
    told: dict[str, Any] | None = None
    try:
        for row in rows:
            if until is not None and moment(row.timestamp) > until:
                break
            told = _after(told, row)
        return None if told is None else _task(told)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise NotTold(f"its entries don't tell a task: {error!r}") from error


def _after(told: dict[str, Any] | None, row: AuditRow) -> dict[str, Any] | None:
    if row.action_type in NOTES:
        return told
    data: dict[str, Any] = json.loads(row.action_data)
    if data.keys() >= WHOLE:
        return {"last_updated_at": row.timestamp, "fence": 0, **data, "id": row.task_id}
    if told is None or row.action_type == Action.TASK_PRUNED:
        return None
    new = told | {name: data[name] for name in data.keys() & FIELDS}
    if row.action_type in NEW_HOLDER and "fence" not in data:
        new["fence"] = told["fence"] + 1
    if row.action_type != Action.TASK_RERANKED and "last_updated_at" not in data:
        new["last_updated_at"] = row.timestamp
    if isinstance(data.get("status"), list):
        _move(told, new, data, row.action_type)
    return new


def _move(
    told: dict[str, Any], new: dict[str, Any], data: dict[str, Any], action_type: str
) -> None:
    """A change of status, [old, new], with what follows from it where it isn't told."""
    old, new["status"] = data["status"]
    # What is fixed was broken, so the trail doesn't know it.
    if old != told["status"] and action_type != Action.TASK_FIXED:
        raise ValueError(f"status was {told['status']}, not {old}")
    if "fence" not in data:
        new["fence"] = told["fence"] + 1
    if old == TaskStatus.BLOCKED and new["status"] != TaskStatus.CANCELLED:
        new["unmet_count"] = data.get("unmet_count", 0)


def moment(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _task(told: dict[str, Any]) -> Task:
    fields: dict[str, Any] = {name: told.get(name, DEFAULTS.get(name)) for name in FIELDS}
    for name in TIMES:
        if fields[name] is not None:
            fields[name] = moment(fields[name])
    fields["status"] = TaskStatus(fields["status"])
    fields["source"] = TaskSource(fields["source"])
    fields["prerequisites"] = tuple(sorted(fields["prerequisites"]))
    return Task(**{**fields, "lease_until": None})


def references(task: Task) -> set[str]:
    """Ids of the other tasks that it names."""
    single = (task.parent_task_id, task.cancelled_by)
    return {*task.prerequisites, *(one for one in single if one is not None)}


def differences(told: Task, stored: Task, gone: Collection[str] = ()) -> Iterator[str]:
    """What a task's trail and its row say differently. `gone` are ids of pruned tasks.

    Pruning a task takes it out of what others refer to.
    """
    for name in Task.__dataclass_fields__:
        if name in UNTOLD:
            continue
        by_trail, by_row = getattr(told, name), getattr(stored, name)
        if name == "prerequisites":
            by_trail = tuple(one for one in by_trail if one not in gone)
            by_row = tuple(sorted(by_row))
        elif name in REFERENCES and by_row is None and by_trail in gone:
            continue
        if by_trail != by_row:
            yield f"{name} is {_shown(by_row)}, but its trail tells {_shown(by_trail)}"


def _shown(value: object) -> str:
    text = value.isoformat() if isinstance(value, datetime) else str(value)
    return f"`{text[:60]}`" if value is not None else "empty"
