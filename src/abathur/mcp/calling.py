"""One call of a tool from its arguments to its answer; whatever happens, the model can read it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from abathur.domain import errors
from abathur.domain.delegation import Caller
from abathur.mcp.advice import for_model
from abathur.mcp.arguments import checked
from abathur.mcp.tool import Call, Host, Json, Progress, Tool

KINDS: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (errors.DependencyCycleError, "CircularDependencyError"),
    (errors.IdempotencyConflictError, "ConflictError"),
    (errors.InvalidInputError, "ValidationError"),
    (errors.NotFoundError, "NotFoundError"),
    (errors.RefusedError, "PermissionError"),
    (errors.IllegalTransitionError, "ConflictError"),
    (errors.ConflictError, "ConflictError"),
    (errors.DatabaseBusyError, "RetryError"),
    (errors.AbathurError, "TaskQueueError"),
)
"""The first match wins. The names are those that clients of older versions know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    text: str
    structured: Json
    is_error: bool = False


Log = Callable[[str], None]


async def call(
    tool: Tool,
    given: Mapping[str, Any] | None,
    *,
    host: Host,
    caller: Caller,
    progress: Progress,
    log: Log,
) -> Reply:
    began = time.perf_counter()
    try:
        args, ignored = checked(tool, given)
        answer = await tool.run(Call(host=host, caller=caller, args=args, progress=progress))
        reply = _reply(answer, ignored)
    except errors.AbathurError as error:
        reply = failure(tool.name, kind_of(error), for_model(" ".join(str(error).split())))
    except (OSError, RecursionError, ValueError, TypeError, LookupError) as error:
        # A bug, or a machine in trouble. What it says may tell of places that are none of a
        # model's business, so that goes to the log alone.
        log(f"{tool.name} {caller.actor} failed: {type(error).__name__}: {error}")
        hint = "the server couldn't do this; try once more, and tell a person if it fails again"
        reply = failure(tool.name, "InternalError", hint)
    seconds = time.perf_counter() - began
    outcome = reply.structured["error"] if reply.is_error else "ok"
    log(f"{tool.name} {caller.actor} {outcome} {seconds * 1000:.1f} ms")
    return reply


def kind_of(error: errors.AbathurError) -> str:
    return next(name for kind, name in KINDS if isinstance(error, kind))


def failure(tool: str, kind: str, message: str) -> Reply:
    told = {"error": kind, "message": message, "tool": tool}
    return Reply(text=_json(told), structured=told, is_error=True)


def _reply(answer: Json | list[Any], ignored: list[str]) -> Reply:
    if isinstance(answer, list):
        return Reply(text=_json(answer), structured={"result": answer})
    if ignored:
        told = f"ignored, as this tool doesn't know them: {', '.join(ignored)[:500]}"
        answer = {**answer, "warnings": [*answer.get("warnings", ()), told]}
    if "next_cursor" in answer and "result" in answer:
        return Reply(text=_json(answer["result"]), structured=answer)
    return Reply(text=_json(answer), structured=answer)


def _json(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:  # whole numbers of more than 64 bits
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
