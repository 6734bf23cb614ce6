"""Tables whose rows stand for themselves: each column is taken over, or has a default."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from abathur.infrastructure.database.legacy import values
from abathur.infrastructure.database.legacy.ids import take_id
from abathur.infrastructure.database.legacy.taking import Taking

Take = Callable[..., Any]
Params = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    names: tuple[str, ...]
    """Today's first, then what it was called."""
    take: Take
    default: Any = None
    is_needed: bool = False
    """Without a value there is no row."""


@dataclass(frozen=True, slots=True)
class Present:
    """What rows may point to."""

    now: datetime
    tasks: Mapping[str, object]
    sessions: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Plain:
    """How the rows of some older tables become rows of one of today's."""

    target: str
    statement: str
    columns: tuple[Column, ...]
    adjust: Callable[[Taking, Params, Present], None]
    numbered: bool = False
    """Rows may be given another `id` when theirs is taken."""

    def params(self, taking: Taking, present: Present) -> Params | None:
        """None when the row can't be one of today's; the taking says why."""
        found: Params = {}
        for column in self.columns:
            value = column.take(taking, *column.names)
            if value is None and column.is_needed:
                taking.refuse(f"not converted: no {column.names[0]}")
                return None
            found[column.names[0]] = column.default if value is None else value
        self.adjust(taking, found, present)
        return None if taking.is_refused else found


def _needed(take: Take, *names: str) -> Column:
    return Column(names, take, is_needed=True)


def _column(take: Take, *names: str, default: Any = None) -> Column:
    return Column(names, take, default)


def _choice(
    allowed: frozenset[str], other: str, taking: Taking, *names: str, **also: str
) -> str | None:
    name, value = taking.first(*names)
    if value is None or value in allowed:
        return None if value is None else str(value)
    taking.changed(name)
    return also.get(str(value), other)


def _flag(taking: Taking, *names: str) -> int | None:
    found = values.whole(taking, *names)
    return None if found is None else int(found != 0)


def _times(taking: Taking, params: Params, present: Present, first: str, last: str | None) -> None:
    """A row without times was written some time before today."""
    params[first] = params[first] or (last and params[last]) or present.now
    if last:
        params[last] = params[last] or params[first]


def _session_exists(taking: Taking, params: Params, present: Present) -> None:
    if params["session_id"] is not None and params["session_id"] not in present.sessions:
        params["session_id"] = None
        taking.changed("session_id")


def _task_exists(taking: Taking, params: Params, present: Present) -> None:
    if params["task_id"] not in present.tasks:
        taking.refuse("not converted: its task doesn't exist")


def _agent(taking: Taking, params: Params, present: Present) -> None:
    _task_exists(taking, params, present)
    _session_exists(taking, params, present)
    _times(taking, params, present, "spawned_at", None)
    if params["state"] != "terminated":
        # Whoever ran it is gone.
        params["state"] = "terminated"
        taking.changed("state")
    params["terminated_at"] = params["terminated_at"] or present.now
    params["specialization"] = params["specialization"] or params["name"]


def _checkpoint(taking: Taking, params: Params, present: Present) -> None:
    _task_exists(taking, params, present)
    _session_exists(taking, params, present)
    _times(taking, params, present, "created_at", None)


def _session(taking: Taking, params: Params, present: Present) -> None:
    _times(taking, params, present, "created_at", "last_update_time")


def _dated(taking: Taking, params: Params, present: Present) -> None:
    _times(taking, params, present, "created_at", "updated_at")


def _metric(taking: Taking, params: Params, present: Present) -> None:
    _times(taking, params, present, "timestamp", None)
    if params["metric_value"] != params["metric_value"] or params["metric_value"] < 0:
        taking.refuse("not converted: metric_value is below 0")


MEMORY_TYPES: Final = frozenset({"semantic", "episodic", "procedural"})
SYNC: Final = frozenset({"pending", "failed", "stale"})
"""Not `synced`: the parts of a document aren't in an older file."""
SESSION: Final = frozenset({"created", "active", "paused", "terminated", "archived"})

SESSIONS: Final = Plain(
    "sessions",
    "legacy_session",
    (
        _needed(values.text, "id"),
        _column(values.text, "app_name", default=""),
        _column(values.text, "user_id", default=""),
        _column(values.text, "project_id"),
        _column(partial(_choice, SESSION, "active"), "status", default="created"),
        _column(values.json_text, "events", default="[]"),
        _column(values.json_text, "state", default="{}"),
        _column(values.json_text, "metadata", default="{}"),
        _column(values.time, "created_at"),
        _column(values.time, "last_update_time", "updated_at"),
        _column(values.time, "terminated_at"),
        _column(values.time, "archived_at"),
    ),
    _session,
)
AGENTS: Final = Plain(
    "agents",
    "legacy_agent",
    (
        _needed(values.text, "id"),
        _column(values.text, "name", "agent_type", default="unknown"),
        _column(values.text, "specialization"),
        _needed(take_id, "task_id", "current_task_id"),
        _column(values.text, "state", "status"),
        _column(values.text, "model", default="unknown"),
        _column(values.time, "spawned_at", "created_at"),
        _column(values.time, "terminated_at"),
        _column(values.json_text, "resource_usage"),
        _column(values.text, "session_id"),
    ),
    _agent,
)
MEMORIES: Final = Plain(
    "memory_entries",
    "legacy_memory",
    (
        _column(values.whole, "id"),
        _needed(values.text, "namespace"),
        _needed(values.text, "key"),
        _needed(values.json_text, "value"),
        _column(
            partial(_choice, MEMORY_TYPES, "semantic"), "memory_type", "tier", default="semantic"
        ),
        _column(partial(values.whole, low=1), "version", default=1),
        _column(_flag, "is_deleted", default=0),
        _column(values.json_text, "metadata", default="{}"),
        _column(values.text, "created_by"),
        _column(values.text, "updated_by"),
        _column(values.time, "created_at"),
        _column(values.time, "updated_at"),
    ),
    _dated,
    numbered=True,
)
DOCUMENTS: Final = Plain(
    "document_index",
    "legacy_document",
    (
        _column(values.whole, "id"),
        _needed(values.text, "file_path"),
        _column(values.text, "title", default=""),
        _column(values.text, "document_type"),
        _column(values.text, "content_hash", default=""),
        _column(values.whole, "chunk_count", default=1),
        _column(values.text, "embedding_model"),
        _column(values.blob, "embedding_blob"),
        _column(values.json_text, "metadata", default="{}"),
        _column(values.time, "last_synced_at"),
        _column(partial(_choice, SYNC, "stale"), "sync_status", default="pending"),
        _column(values.time, "created_at"),
        _column(values.time, "updated_at"),
    ),
    _dated,
    numbered=True,
)
CHECKPOINTS: Final = Plain(
    "checkpoints",
    "legacy_checkpoint",
    (
        _needed(take_id, "task_id"),
        _needed(values.whole, "iteration"),
        _needed(values.json_text, "state"),
        _column(values.time, "created_at"),
        _column(values.text, "session_id"),
    ),
    _checkpoint,
)
METRICS: Final = Plain(
    "metrics",
    "legacy_metric",
    (
        _column(values.whole, "id"),
        _column(values.time, "timestamp"),
        _needed(values.text, "metric_name", "metric_type"),
        _needed(values.real, "metric_value", "value"),
        _column(values.json_text, "labels", "tags", default="{}"),
    ),
    _metric,
    numbered=True,
)

PLAIN: Final[Mapping[str, Plain]] = {
    "sessions": SESSIONS,
    "agents": AGENTS,
    "memory_entries": MEMORIES,
    "memories": MEMORIES,
    "document_index": DOCUMENTS,
    "checkpoints": CHECKPOINTS,
    "metrics": METRICS,
}
"""By the names of older tables, in an order in which each finds what it points to."""
