"""A task as the tools give it, and what that looks like as JSON Schema."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from abathur.domain.errors import InvalidInputError
from abathur.domain.tasks import Task, TaskSource, TaskStatus
from abathur.mcp.tool import (
    Json,
    free_object,
    listing,
    maybe,
    number,
    one_of,
    text,
    thing,
    whole,
)
from abathur.ports.overview import Place

STATUSES: Final = [status.value for status in TaskStatus]
STATUS: Final = one_of("Where it stands.", STATUSES)
TIME: Final = text("ISO 8601, UTC.", most=40)
ID: Final = text("Its id.", most=64)
COUNT: Final = whole("How many.", 0, 2**53)

TASK: Final = thing(
    {
        "id": ID,
        "prompt": text("What the agent is asked to do.", most=10**6),
        "summary": text("One line about it."),
        "agent_type": text("Which kind of agent does it."),
        "priority": whole("The base priority.", 0, 10),
        "status": STATUS,
        "input_data": free_object("What was given to the agent besides."),
        "result_data": maybe(free_object("What the agent reported.")),
        "error_message": maybe(text("What went wrong last.", most=10**6)),
        "retry_count": COUNT,
        "max_retries": COUNT,
        "max_execution_timeout_seconds": COUNT,
        "submitted_at": TIME,
        "started_at": maybe(TIME),
        "completed_at": maybe(TIME),
        "last_updated_at": TIME,
        "created_by": maybe(text("Who put it into the queue.", most=10**6)),
        "parent_task_id": maybe(ID),
        "dependencies": listing(ID, "Ids of the tasks that it waits for.", most=10**6),
        "session_id": maybe(text("The session that it belongs to.", most=10**6)),
        "source": text("`human` or an agent's role."),
        "dependency_type": text("Always `sequential`."),
        "calculated_priority": number("0 to 100: what the order goes by.", 0, 100),
        "deadline": maybe(TIME),
        "estimated_duration_seconds": maybe(COUNT),
        "dependency_depth": COUNT,
        "feature_branch": maybe(text("The target: where its work lands.", most=10**6)),
        "task_branch": maybe(text("The branch of its newest attempt.", most=10**6)),
        "worktree_path": maybe(text("The folder of its newest attempt.", most=10**6)),
    },
    ("id", "status", "prompt", "agent_type", "dependencies"),
)


def task(value: Task, calculated_priority: float) -> Json:
    session = value.input_data.get("session_id")
    return {
        "id": value.id,
        "prompt": value.prompt,
        "summary": value.summary,
        "agent_type": value.agent_type,
        "priority": value.priority,
        "status": value.status.value,
        "input_data": dict(value.input_data),
        "result_data": None if value.result_data is None else dict(value.result_data),
        "error_message": value.error_message,
        "retry_count": value.retry_count,
        "max_retries": value.max_retries,
        "max_execution_timeout_seconds": value.max_execution_timeout_seconds,
        "submitted_at": iso(value.submitted_at),
        "started_at": iso(value.started_at),
        "completed_at": iso(value.completed_at),
        "last_updated_at": iso(value.last_updated_at),
        "created_by": value.created_by,
        "parent_task_id": value.parent_task_id,
        "dependencies": list(value.prerequisites),
        "session_id": session if isinstance(session, str) else None,
        "source": value.source.value,
        "dependency_type": "sequential",
        "calculated_priority": round(calculated_priority, 2),
        "deadline": iso(value.deadline),
        "estimated_duration_seconds": value.estimated_duration_seconds,
        "dependency_depth": value.dependency_depth,
        "feature_branch": value.feature_branch,
        "task_branch": value.task_branch,
        "worktree_path": value.worktree_path,
    }


def iso(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat()


def source_of(named: str | None, agent_type: str | None) -> TaskSource:
    """What a caller says of itself; any name of an agent stands for that agent's role.

    `agent_type` is that of the run that calls; a run is never a person.
    """
    if agent_type is None and named in {None, TaskSource.HUMAN.value}:
        return TaskSource.HUMAN
    if named in {one.value for one in TaskSource} - {TaskSource.HUMAN.value}:
        return TaskSource(named)
    role = (named if named not in {None, TaskSource.HUMAN.value} else agent_type) or ""
    if "requirement" in role and "technical" not in role:
        return TaskSource.AGENT_REQUIREMENTS
    if any(word in role for word in ("plan", "architect", "specialist", "requirement")):
        return TaskSource.AGENT_PLANNER
    return TaskSource.AGENT_IMPLEMENTATION


# --- cursors ------------------------------------------------------------------------------


def cursor(place: Place) -> str:
    packed = json.dumps([place.priority, place.submitted_at, place.id])
    return base64.urlsafe_b64encode(packed.encode()).decode()


def place_of(text: str) -> Place:
    """Raises `InvalidInputError`."""
    try:
        priority, at, task_id = json.loads(base64.urlsafe_b64decode(text.encode()))
    except (ValueError, TypeError) as error:
        raise _bad_cursor() from error
    if type(priority) is not int or not isinstance(at, str) or not isinstance(task_id, str):
        raise _bad_cursor()
    if not -(2**31) <= priority < 2**31 or "\0" in at + task_id:
        raise _bad_cursor()
    return Place(priority, at, task_id)


def _bad_cursor() -> InvalidInputError:
    return InvalidInputError("cursor: it isn't one of ours; give `next_cursor` of the page before")


def told(value: Mapping[str, Any], warnings: list[str]) -> Json:
    """With what a caller should know, where there is anything."""
    return {**value, "warnings": warnings} if warnings else dict(value)
