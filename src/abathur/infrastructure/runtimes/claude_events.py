"""Claude Code's stream of JSON lines, told in our vocabulary. One line at a time, without memory.

The key order varies, lines can be torn or glued together, and new types come with every release:
what isn't understood is a `raw` event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from abathur.domain.masking import masked
from abathur.domain.runs import EventKind, RunEvent
from abathur.infrastructure.runtimes.output import decoded, objects, one_line

Message = Mapping[str, Any]

_LIMIT_MARK: Final = '{"type":"rate_limit_event"'
MAX_DENIED: Final = 20
"""Denials that are told with what was asked for; an agent may knock at the same door for hours."""
_KEPT: Final = (
    "subtype",
    "is_error",
    "terminal_reason",
    "stop_reason",
    "api_error_status",
    "result",
    "errors",
    "num_turns",
    "total_cost_usd",
    "usage",
    "modelUsage",
    "structured_output",
    "origin",
)


def parse(line: str) -> tuple[RunEvent, ...]:
    if not line.strip():
        return ()
    found, rest = objects(line)
    events = [event for message in found for event in _events(message)]
    if rest:
        # A limit event can be written into the middle of another line; both halves are lost.
        events += [event for message in _embedded_limits(rest) for event in _events(message)]
        events.append(RunEvent(EventKind.RAW, one_line(rest)))
    return tuple(events)


def _embedded_limits(rest: str) -> Iterator[Message]:
    start = rest.find(_LIMIT_MARK)
    if start >= 0 and (hit := decoded(rest, start)):
        yield hit[0]


def _events(message: Message) -> tuple[RunEvent, ...]:
    kind = message.get("type")
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    events = tuple(reader(message)) if reader else ()
    return events or (_raw(message),)


def _raw(message: Message) -> RunEvent:
    names = [message.get(key) for key in ("type", "subtype")]
    return RunEvent(EventKind.RAW, one_line(" ".join(str(name) for name in names if name)))


# --- system -------------------------------------------------------------------------------


def _system(message: Message) -> Iterator[RunEvent]:
    match message.get("subtype"):
        case "init":
            yield from _started(message)
        case "permission_denied":
            tool = _text(message.get("tool_name")) or "a tool"
            reason = _text(message.get("message")) or _text(message.get("decision_reason_type"))
            yield RunEvent(EventKind.DENIED, one_line(f"{tool}: {reason}"), {"tool": tool})
        case "api_retry":
            yield _retry(message)
        case _:
            return


def _started(message: Message) -> Iterator[RunEvent]:
    data = {
        "session_id": _text(message.get("session_id")),
        "model": _text(message.get("model")),
        "version": _text(message.get("claude_code_version")),
    }
    yield RunEvent(EventKind.STARTED, one_line(f"Claude Code, {data['model']}"), data)
    for server in _list(message.get("mcp_servers")):
        status = _text(_get(server, "status"))
        if status in {"failed", "needs-auth"}:
            name = _text(_get(server, "name"))
            yield RunEvent(EventKind.WARNING, one_line(f"MCP server {name}: {status}"))


def _retry(message: Message) -> RunEvent:
    status, error = message.get("error_status"), _text(message.get("error"))
    limited = status == 429 or error == "rate_limit"
    text = f"the API refused ({error or 'unknown'}, {status}); attempt {message.get('attempt')}"
    data = {"status": "retry", "error": error, "api_error_status": _integer(status)}
    return RunEvent(EventKind.LIMIT if limited else EventKind.WARNING, one_line(text), data)


def _limit(message: Message) -> Iterator[RunEvent]:
    info = message.get("rate_limit_info")
    status = _text(_get(info, "status"))
    if status in {"", "allowed"}:
        return
    name = _text(_get(info, "rateLimitType")) or "unknown"
    data = {
        "status": status,
        "type": name,
        "resets_at": _number(_get(info, "resetsAt")),
        "utilization": _number(_get(info, "utilization")),
    }
    yield RunEvent(EventKind.LIMIT, one_line(f"limit {name}: {status}"), data)


# --- what the model and its tools say -----------------------------------------------------


def _assistant(message: Message) -> Iterator[RunEvent]:
    blocks = _list(_get(message.get("message"), "content"))
    if error := _text(message.get("error")):
        said = " ".join(_text(_get(block, "text")) for block in blocks).strip()
        data = {"error": error, "api_error_status": _integer(message.get("api_error_status"))}
        yield RunEvent(EventKind.WARNING, one_line(said or error), data)
        return
    for block in blocks:
        yield _said(block, _origin(message))


def _said(block: object, origin: dict[str, str]) -> RunEvent:
    match _get(block, "type"):
        case "text":
            return RunEvent(EventKind.TEXT, one_line(_text(_get(block, "text"))), origin)
        case "tool_use":
            name = _text(_get(block, "name"))
            text = f"{name} {_subject(_get(block, 'input'))}"
            data = {"tool": name, **_call(_get(block, "id")), **origin}
            return RunEvent(EventKind.TOOL_USE, one_line(text), data)
        case other:
            return RunEvent(EventKind.RAW, one_line(_text(other)), origin)


def _subject(arguments: object) -> str:
    """What a person wants to know of a tool call: the file, the command, else the first text."""
    if not isinstance(arguments, Mapping):
        return ""
    for key in ("file_path", "command", "path", "pattern", "url", "description"):
        if text := _text(arguments.get(key)):
            return text
    return next((value for value in arguments.values() if isinstance(value, str)), "")


def _user(message: Message) -> Iterator[RunEvent]:
    for block in _list(_get(message.get("message"), "content")):
        if _get(block, "type") == "tool_result":
            content = _get(block, "content")
            parts = [content, *(_get(part, "text") for part in _list(content))]
            text = " ".join(part for part in parts if isinstance(part, str))
            call = _call(_get(block, "tool_use_id"))
            data = {"is_error": _get(block, "is_error") is True, **call, **_origin(message)}
            yield RunEvent(EventKind.TOOL_RESULT, one_line(text), data)


def _call(name: object) -> dict[str, str]:
    """What a use of a tool and its result have in common."""
    return {"call": name} if isinstance(name, str) else {}


def _origin(message: Message) -> dict[str, str]:
    parent = _text(message.get("parent_tool_use_id"))
    return {"parent": parent} if parent else {}


# --- the end ------------------------------------------------------------------------------


def _result(message: Message) -> Iterator[RunEvent]:
    data = {key: message[key] for key in _KEPT if key in message}
    denials = [item for item in _list(message.get("permission_denials")) if _get(item, "tool_name")]
    data["denials"] = [_text(_get(item, "tool_name")) for item in denials]
    data["denied"] = [
        {"tool": _text(_get(item, "tool_name")), "input": masked(_get(item, "tool_input") or {})}
        for item in denials[:MAX_DENIED]
    ]
    cost = _number(message.get("total_cost_usd"))
    told = "" if cost is None else f"${cost:.4f}"
    # Of the whole session so far, not of this round alone.
    yield RunEvent(EventKind.USAGE, told, {"cost_usd": cost, "is_total": True, "of_session": True})
    text = _text(message.get("result")) or _text(message.get("subtype"))
    yield RunEvent(EventKind.END, one_line(text), data)


_READERS: Final[Mapping[str, Callable[[Message], Iterator[RunEvent]]]] = {
    "assistant": _assistant,
    "rate_limit_event": _limit,
    "result": _result,
    "system": _system,
    "user": _user,
}


# --- values of any shape ------------------------------------------------------------------


def _get(value: object, key: str) -> Any:
    return value.get(key) if isinstance(value, Mapping) else None


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> float | None:
    usable = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15
    return value if usable else None  # type: ignore[return-value]


def _integer(value: object) -> int | None:
    number = _number(value)
    return int(number) if number is not None else None
