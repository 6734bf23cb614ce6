"""A task, what a new one must look like, and the one table of legal status changes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from abathur.domain.branches import branch_problem
from abathur.domain.errors import IllegalTransitionError, InvalidInputError
from abathur.domain.patterns import checked
from abathur.domain.records import changed, record

JsonObject = Mapping[str, Any]

MAX_SUMMARY: Final = 140
MIN_PRIORITY: Final = 0
MAX_PRIORITY: Final = 10
DEFAULT_PRIORITY: Final = 5
DEFAULT_MAX_RETRIES: Final = 3
DEFAULT_TIMEOUT_SECONDS: Final = 3600
DEFAULT_AGENT_TYPE: Final = "general"


class TaskStatus(StrEnum):
    """Where a task stands. The last three are ends; all but `completed` can be left by `retry`."""

    PENDING = "pending"
    """Waits for a time: scheduled for later, or backing off after a failed attempt.

    Without a time it waits for a person's answer, as an agent lacks a permission.
    """
    BLOCKED = "blocked"
    """Waits for prerequisites."""
    READY = "ready"
    RUNNING = "running"
    """An attempt runs, or its work is on the way to the target branch."""
    COMPLETED = "completed"
    """Proven: the target contains the work, or there was nothing to land."""
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self in FINAL_STATUSES


FINAL_STATUSES: Final = frozenset({TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED})

_S = TaskStatus
TRANSITIONS: Final[Mapping[TaskStatus, frozenset[TaskStatus]]] = {
    _S.PENDING: frozenset({_S.READY, _S.CANCELLED}),
    _S.BLOCKED: frozenset({_S.READY, _S.PENDING, _S.CANCELLED}),
    _S.READY: frozenset({_S.RUNNING, _S.CANCELLED}),
    _S.RUNNING: frozenset(
        {_S.COMPLETED, _S.FAILED, _S.CANCELLED, _S.PENDING, _S.READY, _S.BLOCKED}
    ),
    _S.COMPLETED: frozenset(),
    _S.FAILED: frozenset({_S.READY, _S.PENDING, _S.BLOCKED}),
    _S.CANCELLED: frozenset({_S.READY, _S.PENDING, _S.BLOCKED}),
}


def check_transition(task_id: str, old: TaskStatus, new: TaskStatus) -> None:
    """Raise `IllegalTransitionError` unless the table allows it. Staying put isn't a transition."""
    if new not in TRANSITIONS[old]:
        legal = ", ".join(sorted(TRANSITIONS[old])) or "nothing: it is an end"
        raise IllegalTransitionError(
            f"task {task_id} is {old} and can't become {new} (it can become: {legal})"
        )


class TaskSource(StrEnum):
    """Who put the task into the queue."""

    HUMAN = "human"
    AGENT_REQUIREMENTS = "agent_requirements"
    AGENT_PLANNER = "agent_planner"
    AGENT_IMPLEMENTATION = "agent_implementation"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTask:
    """What a caller asks to be queued. Raises `InvalidInputError` when a value isn't acceptable."""

    prompt: str
    summary: str = ""
    """Made from the prompt's first line when blank."""
    agent_type: str = DEFAULT_AGENT_TYPE
    priority: int = DEFAULT_PRIORITY
    source: TaskSource = TaskSource.HUMAN
    parent_task_id: str | None = None
    prerequisites: tuple[str, ...] = ()
    """Full ids of existing tasks."""
    not_before: datetime | None = None
    deadline: datetime | None = None
    estimated_duration_seconds: int | None = None
    max_retries: int = DEFAULT_MAX_RETRIES
    max_execution_timeout_seconds: int = DEFAULT_TIMEOUT_SECONDS
    input_data: JsonObject = field(default_factory=dict)
    feature_branch: str | None = None
    idempotency_key: str | None = None
    created_by: str | None = None
    touches: tuple[str, ...] = ()
    """Patterns of the paths that it will change: see `domain.patterns`."""
    may_overlap: bool = False
    """Whether it runs beside tasks that touch the same paths."""
    loop: JsonObject | None = None
    """How it is refined, or which candidates are made: see `domain.loops.specs`."""

    def __post_init__(self) -> None:
        if not self.prompt.strip():
            raise InvalidInputError("prompt: it is empty; say what the agent shall do")
        if "\0" in self.prompt or "\0" in self.summary:
            raise InvalidInputError("prompt: it holds a NUL character; take it out")
        for name in ("feature_branch", "idempotency_key", "created_by"):
            if "\0" in (getattr(self, name) or ""):
                raise InvalidInputError(f"{name}: it holds a NUL character; take it out")
        if self.feature_branch and (problem := branch_problem(self.feature_branch)):
            raise InvalidInputError(
                f"feature_branch: `{self.feature_branch}` is no name of a branch: {problem}"
            )
        object.__setattr__(self, "summary", checked_summary(self.summary, self.prompt))
        if self.prerequisites:
            unique = tuple(dict.fromkeys(self.prerequisites))
            object.__setattr__(self, "prerequisites", unique)
        if self.touches:
            object.__setattr__(self, "touches", checked(self.touches))
        _check_agent_type(self.agent_type)
        _check_range("priority", self.priority, MIN_PRIORITY, MAX_PRIORITY)
        _check_range("max_retries", self.max_retries, 0, 100)
        _check_range("timeout", self.max_execution_timeout_seconds, 1, 30 * 86_400)
        if self.estimated_duration_seconds is not None:
            _check_range("estimate", self.estimated_duration_seconds, 1, 365 * 86_400)
        _check_time("deadline", self.deadline)
        _check_time("not_before", self.not_before)
        _check_json(self.input_data)
        if self.loop is not None:
            # Few tasks have one, and reading what it says takes long to import.
            from abathur.domain.loops.specs import loop_spec

            loop_spec(self.loop)


def checked_summary(summary: str, prompt: str) -> str:
    """The given summary, or one made from the prompt; 1 to 140 characters on one line."""
    given = " ".join(summary.split())
    if len(given) > MAX_SUMMARY:
        raise InvalidInputError(
            f"summary: it has {len(given)} characters; at most {MAX_SUMMARY} are possible"
        )
    return given or summary_from_prompt(prompt)


def summary_from_prompt(prompt: str) -> str:
    """The first line that isn't blank, cut at a word with an ellipsis when it is too long."""
    first = prompt.lstrip().partition("\n")[0].splitlines()[0]
    text = " ".join(first.split())
    if len(text) <= MAX_SUMMARY:
        return text
    cut = text[: MAX_SUMMARY - 1]
    at_word = cut.rsplit(" ", 1)[0]
    return (at_word if len(at_word) > MAX_SUMMARY // 2 else cut) + "…"


def _check_agent_type(agent_type: str) -> None:
    if agent_type == DEFAULT_AGENT_TYPE:
        return
    plain = agent_type.replace("-", "").replace("_", "")
    if not agent_type.isascii() or not plain.isalnum() or not agent_type[0].isalnum():
        raise InvalidInputError(
            f"agent_type: `{agent_type}` isn't a name; use letters, digits, `-` and `_`"
        )


def _check_range(name: str, value: int, low: int, high: int) -> None:
    if type(value) is not int or not low <= value <= high:  # a bool is no number
        raise InvalidInputError(f"{name}: {value!r} isn't a whole number from {low} to {high}")


def _check_time(name: str, value: datetime | None) -> None:
    if value is None:
        return
    if value.tzinfo is None:
        raise InvalidInputError(f"{name}: the time needs a zone, like 2030-01-31T18:00:00Z")
    try:
        value.astimezone(UTC)
    except OverflowError as error:
        raise InvalidInputError(f"{name}: {value} is beyond the calendar") from error


def _check_json(input_data: JsonObject) -> None:
    if input_data == {}:
        return
    if not isinstance(input_data, Mapping):
        raise InvalidInputError('input_data: a JSON object is needed, like {"key": 1}')
    try:
        json.dumps(dict(input_data), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInputError(f"input_data: it can't be written as JSON: {error}") from error


@record
class Task:
    """A task as the database holds it. All times are UTC and carry their zone."""

    id: str
    summary: str
    prompt: str
    agent_type: str
    priority: int
    status: TaskStatus
    source: TaskSource
    parent_task_id: str | None
    deadline: datetime | None
    estimated_duration_seconds: int | None
    max_retries: int
    max_execution_timeout_seconds: int
    input_data: JsonObject
    result_data: JsonObject | None
    error_message: str | None
    feature_branch: str | None
    """The target: the branch that the work lands on."""
    task_branch: str | None
    """The branch of the newest attempt."""
    worktree_path: str | None
    idempotency_key: str | None
    created_by: str | None
    submitted_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    last_updated_at: datetime
    not_before: datetime | None
    """A pending task becomes ready at this time."""
    dependency_depth: int
    """Length of the longest chain of prerequisites below it; 0 without any."""
    unmet_count: int
    """How many prerequisites aren't completed yet."""
    rank: int
    """Claiming goes by this, smallest first: see `domain.priority.rank`."""
    fence: int
    """Goes up with every change of status; a writer must name the one that it was given."""
    worker_id: str | None
    lease_until: datetime | None
    attempt_count: int
    """How many runs were started; also the number of the newest attempt."""
    retry_count: int
    """How many failed attempts were charged against `max_retries`."""
    rework_count: int
    """How many times a landing sent the work back to an agent."""
    lost_count: int
    """How many attempts in a row ended because their worker was gone."""
    cancelled_by: str | None
    """The task whose failing or cancelling took this one along."""
    prerequisites: tuple[str, ...] = ()


def moved(task: Task, status: TaskStatus, now: datetime, **changes: Any) -> Task:
    """The task in another status, under a new fence and held by nobody.

    `changes` are further fields. Raises `IllegalTransitionError`.
    """
    check_transition(task.id, task.status, status)
    values: dict[str, Any] = {"worker_id": None, "lease_until": None, **changes}
    return changed(task, status=status, fence=task.fence + 1, last_updated_at=now, **values)
