"""What an agent is told of its task, as facts; templates make the text of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import indent
from typing import Any, Final

from abathur.domain.briefing import feedback_text, permissions_text
from abathur.domain.results import ResultCheck, TaskResult
from abathur.domain.tasks import JsonObject, Task

MAX_RESULT: Final = 20_000
"""Characters of one prerequisite's result; the whole of it stays in the queue."""
MAX_INPUT: Final = 200_000

REPORT_SERVER: Final = "abathur-task-queue"
"""The server of the Model Context Protocol whose `task_report` takes a result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedOver:
    """The result of a prerequisite."""

    task: Task
    result: TaskResult | None
    """As its last attempt had it; None for one of an older version."""


@dataclass(frozen=True, slots=True)
class Recalled:
    """A memory that may help with the task."""

    source: str
    """Which it is, who wrote it and when: for the agent to judge by."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierFailure:
    attempt: int
    how: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptFacts:
    task: Task
    attempt: int
    target: str
    """The branch that its work lands on."""
    feedback: JsonObject | None = None
    """Why a landing sent the work back."""
    continued: str = ""
    """Why the session that is gone on with was cut off; empty where one begins."""
    failures: tuple[EarlierFailure, ...] = ()
    """Of the attempts right before, oldest first."""
    prerequisites: tuple[HandedOver, ...] = ()
    memories: tuple[Recalled, ...] = ()
    schema: JsonObject | None = None
    """Of the result."""
    servers: tuple[str, ...] = ()
    """Names of the servers that the agent has."""


def variables(facts: PromptFacts) -> Mapping[str, Any]:
    """What templates may use: plain values only."""
    task = facts.task
    return {
        "task": {
            "id": task.id,
            "summary": task.summary,
            "prompt": task.prompt.strip(),
            "agent_type": task.agent_type,
            "priority": task.priority,
            "deadline": task.deadline.isoformat() if task.deadline else "",
            "input": dict(task.input_data),
        },
        "input_json": _cut(_json(task.input_data), MAX_INPUT) if task.input_data else "",
        "attempt": facts.attempt,
        "target": facts.target,
        "continued": facts.continued,
        "feedback": feedback_text(facts.feedback),
        "permissions": permissions_text(facts.feedback),
        "failures": [
            {"attempt": one.attempt, "how": one.how, "message": one.message}
            for one in facts.failures
        ],
        "results": [_result(one) for one in facts.prerequisites if one.task.result_data],
        "memories": [
            # Quoted, as nobody vouches for it: no line of it can look like one of ours.
            {"source": one.source, "text": one.text, "quoted": indent(one.text, "  > ", _every)}
            for one in facts.memories
        ],
        "schema_json": _json(facts.schema) if facts.schema else "",
        "can_report": REPORT_SERVER in facts.servers,
        "servers": list(facts.servers),
    }


def _result(handed: HandedOver) -> Mapping[str, Any]:
    """A result that broke its agreement is told with the problem, so that nobody relies on it."""
    task, result = handed.task, handed.result
    is_invalid = result is not None and result.check is ResultCheck.INVALID
    status = result.status if result else None
    return {
        "id": task.id,
        "summary": task.summary,
        "agent_type": task.agent_type,
        "status": status.value if status else "",
        "problem": (result.problem or "") if result and is_invalid else "",
        "data": dict(task.result_data or {}),
        "json": _cut(_json(task.result_data or {}), MAX_RESULT),
    }


def _json(data: Mapping[str, Any]) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False, default=str)


def _every(_: str) -> bool:
    return True


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}\n... ({len(text)} characters, cut here)"
