"""Antigravity CLI's stream of JSON lines, told in our vocabulary. A line at a time, no memory.

Each line is an object whose `event` names the key with the rest: `init`, `step_update` or `result`.
A step is told while it is at work (`ACTIVE`) and when it is over (`DONE`, `ERROR`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from abathur.domain.runs import EventKind, RunEvent
from abathur.infrastructure.runtimes.lines import Message, Reader, events_by_kind, events_in
from abathur.infrastructure.runtimes.output import one_line
from abathur.infrastructure.runtimes.values import get, integer, items, subject, text
from abathur.infrastructure.runtimes.verdicts import MAX_KEPT, said

Events = Iterator[RunEvent]

_TOOLS: Final = frozenset({"tool", "subagent"})
_QUIET: Final = frozenset({"user_input", "system_message", "checkpoint", "unknown"})
"""Steps of its own: the prompt repeated, notes to the model, a look back at the conversation."""


def parse(line: str) -> tuple[RunEvent, ...]:
    return events_in(line, _events)


def _events(message: Message) -> Iterable[RunEvent]:
    return events_by_kind(message, text(message.get("event")), _READERS)


def _init(message: Message) -> Events:
    model = text(get(message, "init", "model"))
    data = {"session_id": text(message.get("conversation_id")), "model": model}
    yield RunEvent(EventKind.STARTED, one_line(f"Antigravity CLI, {model}"), data)


def _step(message: Message) -> Events:
    step = message.get("step_update")
    kind, state = text(get(step, "step_type")), text(get(step, "state"))
    if told := text(get(step, "text_delta")) if kind == "agent_response" else "":
        yield said(told, delta=True)
    elif kind in _TOOLS:
        yield _tool(step, state)
    elif kind == "error_message":
        yield RunEvent(EventKind.WARNING, one_line(_error(step) or "an error that isn't told"))
    elif kind not in _QUIET | {"agent_response"}:
        yield RunEvent(EventKind.RAW, one_line(f"step_update {kind}"))
    if state != "ACTIVE":
        yield from _usage(get(step, "usage"))


def _tool(step: object, state: str) -> RunEvent:
    tool = text(get(step, "tool_name")) or text(get(step, "tool_info", "name")) or "tool"
    index = get(step, "step_index")
    data = {"tool": tool, **({"call": str(index)} if isinstance(index, int) else {})}
    if state == "ACTIVE":
        told = f"{tool} {_subject(get(step, 'tool_info', 'parameters'))}"
        return RunEvent(EventKind.TOOL_USE, one_line(told), data)
    answer = text(get(step, "tool_info", "output")) or text(get(step, "output")) or _error(step)
    is_error = state != "DONE"
    return RunEvent(EventKind.TOOL_RESULT, one_line(answer), {**data, "is_error": is_error})


def _subject(parameters: object) -> str:
    named = ("CommandLine", "TargetFile", "AbsolutePath", "Query", "Url")
    return next((t for key in named if (t := text(get(parameters, key)))), subject(parameters))


def _usage(usage: object) -> Events:
    """Of one step. Cached tokens aren't among those of the input; thoughts are in the output's."""
    if not isinstance(usage, Mapping):
        return
    data = {
        "input_tokens": integer(usage.get("input_tokens")),
        "output_tokens": integer(usage.get("output_tokens")),
        "cache_read_tokens": integer(usage.get("cache_read_tokens")),
    }
    yield RunEvent(EventKind.USAGE, "", data)


def _result(message: Message) -> Events:
    """Its sums are those of the whole conversation: the steps are counted instead."""
    result = message.get("result")
    status, response = text(get(result, "status")), text(get(result, "response"))
    denied = [_denied(one) for one in items(get(result, "denied_actions"))]
    for tool in denied:
        yield RunEvent(EventKind.DENIED, one_line(f"{tool}: denied"), {"tool": tool})
    is_ok = status == "SUCCESS" and not (denied and not response.strip())
    if is_ok:
        yield RunEvent(EventKind.END, "completed", {"ok": True, "response": response[:MAX_KEPT]})
        return
    names = ", ".join(dict.fromkeys(denied))
    told = _error(result) or (f"did nothing after it was denied: {names}" if denied else status)
    data = {"ok": False, "message": one_line(told, 500)}
    yield RunEvent(EventKind.END, one_line(told) or "failed", data)


def _error(part: object) -> str:
    error = get(part, "error")
    return text(error) or text(get(error, "message"))


def _denied(action: object) -> str:
    names = (action, get(action, "display_name"), get(action, "name"), get(action, "action"))
    return next((told for name in names if (told := text(name))), "a tool")


_READERS: Final[Mapping[str, Reader]] = {
    "init": _init,
    "result": _result,
    "step_update": _step,
}
