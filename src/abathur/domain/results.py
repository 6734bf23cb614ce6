"""What an agent hands over: its verdict on its own work, what it made, what should come next.

A result is a JSON object. Nothing of it is required, unless the agent type has a schema for it; the
keys that mean something are `execution_status` (`status`: SUCCESS, PARTIAL or FAILURE),
`deliverables` and `orchestration_context`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from abathur.domain.errors import InvalidInputError
from abathur.domain.tasks import JsonObject

STATUS_KEY: Final = "execution_status"
SECTIONS: Final = (STATUS_KEY, "deliverables", "orchestration_context")
MAX_BYTES: Final = 256 * 1024
"""Of a result as JSON. More belongs into files of the repository, or into memories."""
MAX_MESSAGE: Final = 500

SchemaCheck = Callable[[JsonObject], str | None]
"""What is wrong with a result by the schema of its agent type; None when nothing is."""


class ExecutionStatus(StrEnum):
    """The agent's own word; whether its work lands is decided by proof all the same."""

    SUCCESS = "SUCCESS"
    PARTIAL = "PARTIAL"
    """Done in part: what there is lands, and the rest is told."""
    FAILURE = "FAILURE"
    """The agent gives up: the attempt has failed, however its program ended."""


class ResultOrigin(StrEnum):
    TOOL = "tool"
    """A call of `task_report`."""
    TEXT = "text"
    """The agent's last words."""
    REPAIR = "repair"
    """The answer when it was asked once more."""


class ResultCheck(StrEnum):
    VALID = "valid"
    """By the schema of the agent type."""
    UNCHECKED = "unchecked"
    """The agent type has no schema."""
    INVALID = "invalid"
    """Kept as it was given; `problem` says what is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskResult:
    content: JsonObject
    origin: ResultOrigin
    check: ResultCheck
    problem: str | None = None

    @property
    def status(self) -> ExecutionStatus | None:
        return status_of(self.content)

    @property
    def is_structured(self) -> bool:
        """Whether the agent gave more than words."""
        return any(key in self.content for key in SECTIONS)


def checked(content: JsonObject, origin: ResultOrigin, schema: SchemaCheck | None) -> TaskResult:
    """The result with the verdict on it. Raises `InvalidInputError` when it is too long."""
    check_length(content)
    problem = shape_problem(content) or (schema(content) if schema else None)
    if problem:
        return TaskResult(
            content=content, origin=origin, check=ResultCheck.INVALID, problem=problem
        )
    check = ResultCheck.VALID if schema else ResultCheck.UNCHECKED
    return TaskResult(content=content, origin=origin, check=check)


def check_length(content: JsonObject) -> None:
    """Raises `InvalidInputError`."""
    try:
        size = len(json.dumps(content, ensure_ascii=False).encode(errors="replace"))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInputError(f"result: it isn't plain JSON ({error})") from error
    if size > MAX_BYTES:
        raise InvalidInputError(
            f"result: it has {size} bytes, at most {MAX_BYTES} are possible; "
            "put what is long into a file of the repository and name it"
        )


def shape_problem(content: JsonObject) -> str | None:
    """What is wrong with the keys that mean something, where they are given."""
    given = content.get(STATUS_KEY)
    if STATUS_KEY in content and status_of(content) is None:
        known = ", ".join(ExecutionStatus)
        shown = given.get("status") if isinstance(given, Mapping) else given
        return f"execution_status.status: one of {known} is expected, not {shown!r:.60}"
    for name in SECTIONS[1:]:
        if name in content and not isinstance(content[name], Mapping):
            return f"{name}: an object is expected, not {content[name]!r:.60}"
    return None


def status_of(content: JsonObject) -> ExecutionStatus | None:
    """`execution_status.status`, or `execution_status` itself where that is a text."""
    given: Any = content.get(STATUS_KEY)
    if isinstance(given, Mapping):
        given = given.get("status")
    if not isinstance(given, str):
        return None
    name = given.strip().upper()
    return ExecutionStatus(name) if name in ExecutionStatus.__members__ else None


def reason_of(content: JsonObject) -> str:
    """Why the agent says that it failed, in one line."""
    status = content.get(STATUS_KEY)
    context = content.get("orchestration_context")
    for section in (status, context, content):
        for name in ("message", "reason", "error", "summary", "next_recommended_action"):
            told = section.get(name) if isinstance(section, Mapping) else None
            if isinstance(told, str) and told.strip():
                return " ".join(told.split())[:MAX_MESSAGE]
    return "it gives no reason"
