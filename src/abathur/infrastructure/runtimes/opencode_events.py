"""opencode's stream of JSON lines, told in our vocabulary. One line at a time, without memory.

It has no final event. Its last word is a step that finished for the reason `stop`: after any other
reason it goes on, unless something has broken off.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from abathur.domain.runs import EventKind, RunEvent
from abathur.infrastructure.runtimes.lines import Message, Reader, events_by_kind, events_in
from abathur.infrastructure.runtimes.output import one_line
from abathur.infrastructure.runtimes.values import call, get, integer, number, subject, text
from abathur.infrastructure.runtimes.verdicts import said

Events = tuple[RunEvent, ...]

_DENIED: Final = re.compile(r"user (?:rejected permission|has specified a rule)", re.IGNORECASE)
_CUT_SHORT: Final = frozenset({"length", "content-filter", "error"})


def parse(line: str) -> tuple[RunEvent, ...]:
    return events_in(line, _events)


def _events(message: Message) -> Iterable[RunEvent]:
    return events_by_kind(message, text(message.get("type")), _READERS)


def _step_start(message: Message) -> Events:
    """Each step tells the session; the text is left out, for there may be hundreds."""
    return (RunEvent(EventKind.STARTED, "", {"session_id": text(message.get("sessionID"))}),)


def _text(message: Message) -> Events:
    return (said(text(get(message, "part", "text"))),)


def _tool(message: Message) -> Events:
    """Told when it is done, so use and result come together."""
    part = message.get("part")
    tool, state = text(get(part, "tool")), get(part, "state")
    data = {"tool": tool, **call(get(part, "callID"))}
    told = one_line(f"{tool} {subject(get(state, 'input'))}")
    error = text(get(state, "error"))
    is_error = get(state, "status") == "error"
    answer = error if is_error else text(get(state, "output"))
    events = [RunEvent(EventKind.TOOL_USE, told, data)]
    if is_error and _DENIED.search(error):
        events.append(RunEvent(EventKind.DENIED, one_line(f"{tool}: {error}"), {"tool": tool}))
    events.append(RunEvent(EventKind.TOOL_RESULT, one_line(answer), {**data, "is_error": is_error}))
    return tuple(events)


def _step_finish(message: Message) -> Events:
    part = message.get("part")
    tokens, cost = get(part, "tokens"), number(get(part, "cost"))
    usage = {
        "input_tokens": integer(get(tokens, "input")),
        "output_tokens": integer(get(tokens, "output")),
        "cache_read_tokens": integer(get(tokens, "cache", "read")),
        "cache_write_tokens": integer(get(tokens, "cache", "write")),
        # It says 0 for a model whose price it doesn't know.
        "cost_usd": cost or None,
    }
    step = RunEvent(EventKind.USAGE, "" if not cost else f"${cost:.4f}", usage)
    reason = text(get(part, "reason"))
    if reason == "stop":
        return step, RunEvent(EventKind.END, "completed", {"ok": True})
    if reason in _CUT_SHORT:
        told = f"the model's answer was cut short ({reason})"
        return step, RunEvent(EventKind.END, told, {"ok": False, "message": told})
    return (step,)


def _error(message: Message) -> Events:
    error = message.get("error")
    told = text(get(error, "data", "message")) or text(get(error, "name")) or "failed"
    data = {
        "ok": False,
        "message": one_line(told, 500),
        "status": integer(get(error, "data", "statusCode")),
        "name": text(get(error, "name")),
        **({"ref": ref} if (ref := text(get(error, "data", "ref"))) else {}),
    }
    return (RunEvent(EventKind.END, one_line(told), data),)


_READERS: Final[Mapping[str, Reader]] = {
    "error": _error,
    "reasoning": lambda _: (),
    "step_finish": _step_finish,
    "step_start": _step_start,
    "text": _text,
    "tool_use": _tool,
}
