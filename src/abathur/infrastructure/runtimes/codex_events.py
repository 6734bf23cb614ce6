"""Codex's stream of JSON lines, told in our vocabulary. One line at a time, without memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from abathur.domain.runs import EventKind, RunEvent
from abathur.infrastructure.runtimes.lines import Message, events_in
from abathur.infrastructure.runtimes.output import one_line
from abathur.infrastructure.runtimes.values import call, get, integer, items, subject, text
from abathur.infrastructure.runtimes.verdicts import said

_RETRY: Final = re.compile(r"Reconnecting\.\.\. \d+/\d+")
_LIMIT: Final = re.compile(r"status:? 429|rate limit", re.IGNORECASE)
_NEEDS_APPROVAL: Final = re.compile(r"requires approval|rejected by user", re.IGNORECASE)


def parse(line: str) -> tuple[RunEvent, ...]:
    return events_in(line, _events)


def _events(message: Message) -> tuple[RunEvent, ...]:
    reader = _READERS.get(text(message.get("type")))
    events = tuple(reader(message)) if reader else ()
    return events or (RunEvent(EventKind.RAW, one_line(_name(message))),)


def _name(message: Message) -> str:
    names = (message.get("type"), get(message, "item", "type"))
    return " ".join(text(name) for name in names).strip()


def _thread(message: Message) -> Iterator[RunEvent]:
    session = text(message.get("thread_id"))
    yield RunEvent(EventKind.STARTED, "Codex", {"session_id": session})


def _turn(message: Message) -> Iterator[RunEvent]:
    yield RunEvent(EventKind.STARTED, "a turn begins")


def _item(message: Message) -> Iterator[RunEvent]:
    item = message.get("item")
    kind, is_begun = text(get(item, "type")), message.get("type") == "item.started"
    if kind == "agent_message" and not is_begun:
        yield said(text(get(item, "text")))
    elif kind in _TOOLS:
        tool, told = _TOOLS[kind](item)
        data = {"tool": tool, **call(get(item, "id"))}
        if is_begun:
            yield RunEvent(EventKind.TOOL_USE, one_line(f"{tool} {told}"), data)
        elif message.get("type") == "item.completed":
            yield from _done(item, data)
    elif kind == "error" and not is_begun:
        yield RunEvent(EventKind.WARNING, one_line(text(get(item, "message"))))


def _done(item: object, data: dict[str, str]) -> Iterator[RunEvent]:
    error = text(get(item, "error", "message"))
    if _NEEDS_APPROVAL.search(error):
        yield RunEvent(EventKind.DENIED, one_line(f"{data['tool']}: {error}"), data)
    output = text(get(item, "aggregated_output")) or error or _content(item)
    is_error = get(item, "status") == "failed" or bool(error)
    yield RunEvent(EventKind.TOOL_RESULT, one_line(output), {**data, "is_error": is_error})


def _content(item: object) -> str:
    parts = items(get(item, "result", "content"))
    return " ".join(text(get(part, "text")) for part in parts)


def _command(item: object) -> tuple[str, str]:
    return "shell", text(get(item, "command"))


def _change(item: object) -> tuple[str, str]:
    changes = items(get(item, "changes"))
    return "edit", " ".join(text(get(change, "path")) for change in changes)


def _server_call(item: object) -> tuple[str, str]:
    tool = f"mcp__{text(get(item, 'server'))}__{text(get(item, 'tool'))}"
    return tool, subject(get(item, "arguments"))


def _search(item: object) -> tuple[str, str]:
    return "web_search", text(get(item, "query"))


_TOOLS: Final[Mapping[str, Callable[[object], tuple[str, str]]]] = {
    "command_execution": _command,
    "file_change": _change,
    "mcp_tool_call": _server_call,
    "web_search": _search,
}


def _error(message: Message) -> Iterator[RunEvent]:
    told = text(message.get("message"))
    if not _RETRY.search(told):
        yield RunEvent(EventKind.WARNING, one_line(told))
        return
    kind = EventKind.LIMIT if _LIMIT.search(told) else EventKind.WARNING
    yield RunEvent(kind, one_line(told), {"status": "retry"})


def _completed(message: Message) -> Iterator[RunEvent]:
    usage = message.get("usage")
    cached = integer(get(usage, "cached_input_tokens"))
    fresh = integer(get(usage, "input_tokens"))
    data = {
        # The cached ones are among the input's, and cost less.
        "input_tokens": fresh if fresh is None else max(fresh - (cached or 0), 0),
        "output_tokens": integer(get(usage, "output_tokens")),
        "cache_read_tokens": cached,
        "cache_write_tokens": integer(get(usage, "cache_write_input_tokens")),
    }
    # Of the whole session so far, not of this turn alone.
    yield RunEvent(EventKind.USAGE, "", {**data, "is_total": True, "of_session": True})
    yield RunEvent(EventKind.END, "completed", {"ok": True})


def _failed(message: Message) -> Iterator[RunEvent]:
    told = text(get(message, "error", "message"))
    data = {"ok": False, "message": one_line(told, 500)}
    yield RunEvent(EventKind.END, one_line(told) or "failed", data)


_READERS: Final[Mapping[str, Callable[[Message], Iterator[RunEvent]]]] = {
    "error": _error,
    "item.completed": _item,
    "item.started": _item,
    "item.updated": _item,
    "thread.started": _thread,
    "turn.completed": _completed,
    "turn.failed": _failed,
    "turn.started": _turn,
}
