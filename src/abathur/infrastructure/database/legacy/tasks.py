"""Older rows of tasks, one by one: what each says, before the graph is looked at."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Final

from abathur.domain.errors import InvalidInputError
from abathur.domain.tasks import (
    DEFAULT_AGENT_TYPE,
    DEFAULT_MAX_RETRIES,
    DEFAULT_PRIORITY,
    DEFAULT_TIMEOUT_SECONDS,
    MAX_PRIORITY,
    MAX_SUMMARY,
    MIN_PRIORITY,
    NewTask,
    TaskSource,
    summary_from_prompt,
)
from abathur.infrastructure.database.legacy import values
from abathur.infrastructure.database.legacy.ids import id_of, take_id
from abathur.infrastructure.database.legacy.taking import Taking

PRIORITIES: Final = {"low": 2, "normal": 5, "high": 8, "critical": 10}
PLACEHOLDER: Final = "Task"
"""The summary that a rebuild of an older version gave to all tasks."""
NO_PROMPT: Final = "(imported without a prompt)"


class Was(Enum):
    """What an older status means today."""

    WAITING = "waiting"
    """Ready, blocked or under way in a program that is gone: the graph says which."""
    AWAITING_CHILDREN = "awaiting_children"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


STATUSES: Final = {
    "completed": Was.COMPLETED,
    "complete": Was.COMPLETED,
    "cancelled": Was.CANCELLED,
    "canceled": Was.CANCELLED,
    "failed": Was.FAILED,
    "validation_failed": Was.FAILED,
    "awaiting_children": Was.AWAITING_CHILDREN,
    **dict.fromkeys(
        (
            "pending",
            "ready",
            "blocked",
            "running",
            "validating",
            "awaiting_validation",
            "validation_running",
        ),
        Was.WAITING,
    ),
}
SOURCES: Final = {
    "direct": TaskSource.HUMAN,
    "adapter": TaskSource.HUMAN,
    "requirements-gatherer": TaskSource.AGENT_REQUIREMENTS,
    "subtask": TaskSource.AGENT_PLANNER,
    "system": TaskSource.AGENT_PLANNER,
    "schedule": TaskSource.AGENT_PLANNER,
}
PROMPTS: Final = ("prompt", "description", "template_name")
"""In the first schema the name of the template was what the agent was told."""


@dataclass(slots=True)
class Draft:
    """A task whose status and place in the graph aren't known yet."""

    taking: Taking
    id: str
    was: Was
    fields: dict[str, Any]
    """Of the task to be, the rest."""
    prerequisites: list[str]
    """By the column of the row, also those that don't exist."""
    session_id: str | None
    waits_for: list[str] = field(default_factory=list)
    cancelled_by: str | None = None

    @property
    def is_final(self) -> bool:
        return self.was in (Was.COMPLETED, Was.FAILED, Was.CANCELLED)


def draft_of(taking: Taking, now: datetime) -> Draft | None:
    """None when the row can't be a task; the taking says why."""
    task_id = take_id(taking, "id")
    if task_id is None:
        taking.refuse("not converted: a task without an id")
        return None
    prompt = _prompt(taking)
    fields: dict[str, Any] = {
        "prompt": prompt or NO_PROMPT,
        "summary": _summary(taking, prompt or NO_PROMPT),
        "agent_type": _agent_type(taking),
        "priority": _priority(taking),
        "source": _source(taking),
        "parent_task_id": take_id(taking, "parent_task_id", "parent_id"),
        "deadline": values.time(taking, "deadline"),
        "estimated_duration_seconds": values.whole(taking, "estimated_duration_seconds", low=1),
        "input_data": values.json_object(taking, "input_data") or {},
        "result_data": values.json_object(taking, "result_data"),
        "error_message": values.text(taking, "error_message"),
        "feature_branch": values.text(taking, "feature_branch"),
        "task_branch": values.text(taking, "task_branch", "branch"),
        "worktree_path": values.text(taking, "worktree_path"),
        "idempotency_key": values.text(taking, "idempotency_key"),
        "created_by": values.text(taking, "created_by"),
        **_limits(taking),
    }
    was = _was(taking, fields)
    if prompt is None and was in (Was.WAITING, Was.AWAITING_CHILDREN):
        # An agent with nothing to do could do anything.
        was, fields["error_message"] = Was.FAILED, "the older file holds no prompt for it"
        taking.changed("status")
    fields.update(_times(taking, was, now))
    wanted = _prerequisites(taking, was)
    return Draft(taking, task_id, was, fields, wanted, values.text(taking, "session_id"))


def _prompt(taking: Taking) -> str | None:
    for name in PROMPTS:
        found = values.text(taking, name)
        if found and found.strip():
            return found
    title = taking.peek("title") or taking.peek("summary")
    return title.replace("\0", values.REPLACEMENT) if isinstance(title, str) and title else None


def _summary(taking: Taking, prompt: str) -> str:
    given = values.text(taking, "summary", "title")
    if given and given.strip() and len(given) <= MAX_SUMMARY and given != PLACEHOLDER:
        return given
    if given:
        taking.changed("summary")
    if given and given.strip() and given != PLACEHOLDER:
        return summary_from_prompt(given)
    return summary_from_prompt(prompt)


def _agent_type(taking: Taking) -> str:
    given = values.text(taking, "agent_type")
    if given is None:
        return DEFAULT_AGENT_TYPE
    try:
        NewTask(prompt="any", agent_type=given)
    except (InvalidInputError, IndexError):
        taking.changed("agent_type")
        return DEFAULT_AGENT_TYPE
    return given


def _priority(taking: Taking) -> int:
    named = PRIORITIES.get(str(taking.peek("priority")))
    if named is not None:
        taking.first("priority")
        taking.changed("priority")
        return named
    found = values.whole(taking, "priority", low=MIN_PRIORITY, high=MAX_PRIORITY)
    return DEFAULT_PRIORITY if found is None else found


def _source(taking: Taking) -> TaskSource:
    name, value = taking.first("source", "source_type")
    if value is None:
        return TaskSource.HUMAN
    try:
        return TaskSource(value)
    except ValueError:
        taking.changed(name)
        return SOURCES.get(str(value), TaskSource.HUMAN)


def _limits(taking: Taking) -> dict[str, int]:
    retries = values.whole(taking, "max_retries", low=0, high=100)
    seconds = values.whole(taking, "max_execution_timeout_seconds", low=1)
    return {
        "max_retries": DEFAULT_MAX_RETRIES if retries is None else retries,
        "max_execution_timeout_seconds": seconds or DEFAULT_TIMEOUT_SECONDS,
        "retry_count": values.whole(taking, "retry_count", low=0) or 0,
    }


def _was(taking: Taking, fields: dict[str, Any]) -> Was:
    _, value = taking.first("status")
    found = STATUSES.get(str(value).lower())
    if found is not None:
        return found
    taking.changed("status")
    fields["error_message"] = fields["error_message"] or (
        "the older file holds no status for it"
        if value is None
        else "the older file holds a status for it that is unknown"
    )
    return Was.FAILED


def _times(taking: Taking, was: Was, now: datetime) -> dict[str, datetime | None]:
    submitted = values.time(taking, "submitted_at", "created_at")
    started = values.time(taking, "started_at")
    completed = values.time(taking, "completed_at")
    updated = values.time(taking, "last_updated_at", "updated_at")
    known = [time for time in (submitted, started, completed, updated) if time]
    if was in (Was.WAITING, Was.AWAITING_CHILDREN):
        if completed is not None:
            taking.changed("completed_at")
        completed = None
    elif completed is None:
        completed = max(known, default=now)
    return {
        "submitted_at": submitted or min(known, default=now),
        "started_at": started,
        "completed_at": completed,
        "last_updated_at": updated or max(known, default=now),
    }


def _prerequisites(taking: Taking, was: Was) -> list[str]:
    columns = ["dependencies"]
    if was is Was.AWAITING_CHILDREN:
        columns.append("awaiting_children")
    found: list[str] = []
    for column in columns:
        name, value = taking.first(column)
        found += _ids(taking, name, value)
    return list(dict.fromkeys(found))


def _ids(taking: Taking, name: str, value: Any) -> list[str]:
    if value is None:
        return []
    try:
        listed = values.parsed(value) if isinstance(value, str) else None
    except ValueError:
        listed = None
    if not isinstance(listed, list):
        taking.changed(name)
        return []
    ids = [id_of(item) if isinstance(item, str | int) else None for item in listed]
    if ids != listed:
        taking.changed(name)
    return [each for each in ids if each is not None]
