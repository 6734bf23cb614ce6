"""Gemini CLI's stream of JSON lines, told in our vocabulary. One line at a time, without memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from abathur.domain.runs import EventKind, RunEvent
from abathur.infrastructure.runtimes.lines import Message, Reader, events_by_kind, events_in
from abathur.infrastructure.runtimes.output import one_line
from abathur.infrastructure.runtimes.values import call, get, integer, subject, text
from abathur.infrastructure.runtimes.verdicts import said

Events = tuple[RunEvent, ...]


def parse(line: str) -> tuple[RunEvent, ...]:
    return events_in(line, _events)


def _events(message: Message) -> Iterable[RunEvent]:
    return events_by_kind(message, text(message.get("type")), _READERS)


def _init(message: Message) -> Events:
    model = text(message.get("model"))
    data = {"session_id": text(message.get("session_id")), "model": model}
    return (RunEvent(EventKind.STARTED, one_line(f"Gemini CLI, {model}"), data),)


def _message(message: Message) -> Events:
    """The prompt is repeated as the user's message, and is nothing new."""
    if message.get("role") != "assistant":
        return ()
    data = {"delta": True} if message.get("delta") is True else {}
    return (said(text(message.get("content")), **data),)


def _tool_use(message: Message) -> Events:
    tool = text(message.get("tool_name"))
    told = f"{tool} {subject(message.get('parameters'))}"
    data = {"tool": tool, **call(message.get("tool_id"))}
    return (RunEvent(EventKind.TOOL_USE, one_line(told), data),)


def _tool_result(message: Message) -> Events:
    told = text(message.get("output")) or text(get(message, "error", "message"))
    data = {"is_error": message.get("status") != "success", **call(message.get("tool_id"))}
    return (RunEvent(EventKind.TOOL_RESULT, one_line(told), data),)


def _error(message: Message) -> Events:
    told = text(message.get("message")) or text(get(message, "error", "message"))
    return (RunEvent(EventKind.WARNING, one_line(told)),)


def _result(message: Message) -> Events:
    stats = message.get("stats")
    cached = integer(get(stats, "cached"))
    told = integer(get(stats, "input_tokens"))
    usage = {
        "input_tokens": told if told is None else max(told - (cached or 0), 0),
        "output_tokens": integer(get(stats, "output_tokens")),
        "cache_read_tokens": cached,
    }
    is_ok = message.get("status") == "success"
    error = text(get(message, "error", "message")) or text(message.get("status"))
    data: dict[str, Any] = {"ok": is_ok}
    if not is_ok:
        data |= {"message": one_line(error, 500), "name": text(get(message, "error", "type"))}
    return (
        RunEvent(EventKind.USAGE, "", {**usage, "is_total": True}),
        RunEvent(EventKind.END, "completed" if is_ok else one_line(error) or "failed", data),
    )


_READERS: Final[Mapping[str, Reader]] = {
    "error": _error,
    "init": _init,
    "message": _message,
    "result": _result,
    "tool_result": _tool_result,
    "tool_use": _tool_use,
}
