"""Looks for every value of an older file in what became of it, independently of the code."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

Tables = Mapping[str, Sequence[Mapping[str, Any]]]

RENAMED = {
    "template_name": ("prompt",),
    "description": ("prompt",),
    "title": ("title", "summary", "prompt"),
    "branch": ("task_branch",),
    "parent_id": ("parent_task_id",),
    "status": ("status", "state"),
    "current_task_id": ("task_id",),
    "depends_on_id": ("prerequisite_task_id",),
    "task_id": ("task_id", "dependent_task_id"),
    "metric_type": ("metric_name",),
    "value": ("value", "metric_value"),
    "tags": ("labels",),
    "agent_type": ("agent_type", "name"),
    "created_at": ("created_at", "submitted_at", "spawned_at"),
    "updated_at": ("updated_at", "last_updated_at", "last_update_time"),
    "source_type": ("source",),
}
TODAY = {"memories": "memory_entries"}
ENDINGS = ("_new", "_old", "_backup", "_tmp", "_temp")


def lost(older: Tables, today: Tables) -> list[tuple[str, Mapping[str, Any]]]:
    """Rows of which a value that isn't NULL can't be found any more."""
    kept: dict[str, list[Any]] = {}
    for row in today["legacy_rows"]:
        kept.setdefault(row["source_table"], []).append(json.loads(row["content"]))
    history = [
        json.loads(row["action_data"])
        | {"at": row["timestamp"], "task": row["task_id"], "actor": row["actor"]}
        for row in today["audit"]
    ]
    return [
        (table, row)
        for table, rows in older.items()
        for row in rows
        if jsonable(row) not in kept.get(table, []) and not _is_in(table, row, today, history)
    ]


def jsonable(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            value = value.encode("utf-8", "surrogateescape")
    if isinstance(value, bytes):
        return {"$base64": base64.b64encode(value).decode()}
    if isinstance(value, float) and not math.isfinite(value):
        return {"$real": repr(value)}
    return value


def _is_in(table: str, row: Mapping[str, Any], today: Tables, history: list[Any]) -> bool:
    for ending in ENDINGS:
        table = table.removesuffix(ending)
    if table in ("audit", "audit_log"):
        return any(_is_told(row, entry) for entry in history)
    edges = today["task_dependencies"] if table == "tasks" else ()
    return any(_is_same_row(row, other, edges) for other in today.get(TODAY.get(table, table), ()))


def _is_told(row: Mapping[str, Any], entry: Mapping[str, Any]) -> bool:
    told = list(entry.values())
    return all(value is None or any(same(value, each) for each in told) for value in row.values())


def _is_same_row(row: Mapping[str, Any], other: Mapping[str, Any], edges: Any) -> bool:
    for name, value in row.items():
        if value is None:
            continue
        if name in ("dependencies", "awaiting_children"):
            waits = {
                e["prerequisite_task_id"] for e in edges if e["dependent_task_id"] == row["id"]
            }
            if not set(json.loads(value)) <= waits:
                return False
        elif not any(same(value, other.get(each)) for each in RENAMED.get(name, (name,))):
            return False
    return True


def same(older: Any, today: Any) -> bool:
    if older == today:
        return True
    if isinstance(today, dict | list) and isinstance(older, str):
        today = json.dumps(today)
    if not isinstance(older, str) or not isinstance(today, str):
        return False
    for read in (_moment, json.loads):
        try:
            if read(older) == read(today):
                return True
        except (ValueError, OverflowError):
            continue
    return False


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
