"""What a task is, in lines for reading: as it is, or as it was."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from abathur.cli import output
from abathur.cli.output import paint, status_colour
from abathur.cli.text import clean, clean_block, length, local, pad, short

if TYPE_CHECKING:
    from abathur.domain.tasks import Task

LABEL = 14


def told(task: Task, found: Iterable[tuple[str, str]]) -> Iterator[str]:
    yield paint(clean(task.summary), "bold")
    for name, value in found:
        if value:
            colour = status_colour(task.status.value) if name == "status" else None
            yield paint(pad(name, LABEL), "dim") + paint(clean(value), colour)


def facts(task: Task, now: datetime, beside: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """In the order in which they are read; `beside` has those that the task itself doesn't know."""
    yield "id", task.id
    yield "status", task.status.value
    yield "error", task.error_message or ""
    yield "target", task.feature_branch or ""
    yield "agent type", task.agent_type
    yield "priority", beside.get("priority", str(task.priority))
    yield "source", task.source.value
    yield "submitted", f"{when(task.submitted_at, now)} by {task.created_by or 'unknown'}"
    yield "not before", when(task.not_before, now)
    yield "deadline", when(task.deadline, now)
    yield "started", when(task.started_at, now)
    yield "ended", when(task.completed_at, now)
    yield "progress", beside.get("progress", "")
    yield "estimate", length(task.estimated_duration_seconds).strip("-")
    yield "timeout", length(task.max_execution_timeout_seconds)
    yield "touches", beside.get("touches", "")
    yield "may overlap", beside.get("may overlap", "")
    yield "retries", f"{task.retry_count} of {task.max_retries} spent"
    yield "parent", task.parent_task_id or ""
    yield "branch", beside.get("branch", "")
    yield "worktree", beside.get("worktree", "")
    yield "cancelled by", task.cancelled_by or ""
    yield "key", task.idempotency_key or ""


def block(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield ""
        yield paint(title, "dim")
        yield from (f"  {one}" for one in lines)


def when(time: datetime | None, now: datetime) -> str:
    if time is None:
        return ""
    seconds = (now - time).total_seconds()
    distance = f"{length(seconds)} ago" if seconds >= 0 else f"in {length(-seconds)}"
    return f"{local(time)} ({distance})"


def pretty(data: Any) -> list[str]:
    text = json.dumps(data, indent=2, ensure_ascii=not output.has_unicode(), default=output.plain)
    return clean_block(text)


def line(task: Task) -> str:
    status = paint(pad(task.status.value, 9), status_colour(task.status.value))
    return f"{short(task.id)}  {status}  {clean(task.summary)}"
