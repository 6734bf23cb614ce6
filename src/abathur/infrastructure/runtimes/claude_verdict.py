"""How a run of Claude Code ended, by its final event first.

Its exit code proves nothing (0 with every tool denied), and neither does `subtype` (`success`
together with `is_error` when the API refused). With several final events the last one counts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from abathur.domain.failure_texts import by_text
from abathur.domain.failures import FailureClass, by_status
from abathur.domain.runs import EventKind, Exit, Outcome, OutcomeKind, RunEvent, Usage
from abathur.infrastructure.runtimes import claude_denials
from abathur.infrastructure.runtimes.endings import described, died, interrupted, not_run
from abathur.infrastructure.runtimes.output import last_line, line_at, one_line, structured

Word = Mapping[str, Any]
"""The data of a final event: the program's last word."""

_NO_SESSION: Final = "No conversation found with session ID"
_FAILING_REASONS: Final = frozenset(
    {
        "aborted_streaming",
        "aborted_tools",
        "api_error",
        "blocking_limit",
        "budget_exhausted",
        "max_turns",
        "model_error",
        "prompt_too_long",
    }
)
_LIMITS: Final = frozenset({FailureClass.QUOTA, FailureClass.CAPACITY})

_BY_ERROR: Final[Mapping[str, FailureClass]] = {
    "authentication_failed": FailureClass.AUTHENTICATION,
    "billing_error": FailureClass.QUOTA,
    "model_not_found": FailureClass.MODEL_NOT_FOUND,
    "overloaded": FailureClass.CAPACITY,
}
"""The program's own names. `server_error` and `unknown` are also said of a lost connection."""

# Said on stderr before anything is begun.
_MISCONFIGURED: Final = re.compile(
    r"unknown option|argument missing|cannot be used with root|mcp config|invalid settings"
    r"|native binary not installed",
    re.IGNORECASE,
)
_RESET_IN_TEXT: Final = re.compile(r"limit reached\|(\d{10})(?!\d)")
_MAX_WAIT: Final = 8 * 86_400


def outcome(end: Exit, events: Sequence[RunEvent], epoch: float) -> Outcome:
    found = _judged(end, events, epoch)
    # Of the whole session, with the runs before this one that it goes on with.
    return replace(
        found,
        is_session_usage=found.usage is not None,
        is_not_resumed=found.kind is OutcomeKind.FAILED and _NO_SESSION in found.message,
    )


def _judged(end: Exit, events: Sequence[RunEvent], epoch: float) -> Outcome:
    finals = _finals(events)
    usage = _usage(finals[-1]) if finals else None
    if finals and _is_ok(finals[-1]):
        return Outcome(
            kind=OutcomeKind.SUCCEEDED,
            message=_denied(finals[-1]),
            result_data=_result_data(finals),
            usage=usage,
            exit_code=end.code,
            denied=claude_denials.of_edits(finals[-1]),
        )
    if ended := interrupted(end, usage):
        return ended
    if not finals:
        return _without_final(end, events, epoch)
    return _failure(finals[-1], end, events, epoch)


def _finals(events: Sequence[RunEvent]) -> list[Word]:
    """The final events; none when the program began another round after the last one."""
    finals: list[Word] = []
    open_round = False
    for event in events:
        if event.kind is EventKind.END:
            finals.append(event.data)
            open_round = False
        elif event.kind is EventKind.STARTED:
            open_round = True
    return [] if open_round else finals


def _is_ok(final: Word) -> bool:
    if final.get("subtype") != "success" or final.get("api_error_status") is not None:
        return False
    reason = final.get("terminal_reason")
    if final.get("is_error") is False:
        return not isinstance(reason, str) or reason not in _FAILING_REASONS
    # A model's own stop sequence is called an error too, but the round was completed.
    return reason == "completed" and final.get("stop_reason") == "stop_sequence"


def _without_final(end: Exit, events: Sequence[RunEvent], epoch: float) -> Outcome:
    reason = last_line(end.stderr_tail) or "ended without its final event"
    warned = _warned(events)
    if warned and (failure := _named(warned) or by_status(warned.get("api_error_status"))):
        said = _text(warned.get("text"))
        wait = _retry_after("", events, epoch)
        return _refused(failure, said, {}, end, None, wait)
    # What its installer leaves in its place tells the reason first, and what to do behind it.
    known = _MISCONFIGURED.search(end.stderr_tail)
    misconfigured = not died(end.code) and (known is not None or not_run(end, events))
    if known is not None:
        reason = line_at(end.stderr_tail, known.start())
    return Outcome(
        kind=OutcomeKind.FAILED,
        message=f"{reason} ({described(end.code)})",
        exit_code=end.code,
        failure=FailureClass.CONFIGURATION if misconfigured else FailureClass.PROCESS,
    )


def _failure(final: Word, end: Exit, events: Sequence[RunEvent], epoch: float) -> Outcome:
    said = _said(final)
    failure = _class(final, said, events)
    return _refused(failure, said, final, end, _usage(final), _retry_after(said, events, epoch))


def _class(final: Word, said: str, events: Sequence[RunEvent]) -> FailureClass:
    """By the program's own words for it, then by the status, and by its prose only at last."""
    warned = _warned(events)
    status = final.get("api_error_status")
    status = warned.get("api_error_status") if status is None else status
    reason, subtype = final.get("terminal_reason"), final.get("subtype")
    if reason == "prompt_too_long" or by_text(said) is FailureClass.CONTEXT_OVERFLOW:
        return FailureClass.CONTEXT_OVERFLOW
    if subtype == "error_max_budget_usd":
        return FailureClass.BUDGET
    if isinstance(subtype, str) and subtype.startswith("error_max"):
        return FailureClass.AGENT
    if _is_rejected(events) and status in {None, 429}:
        return FailureClass.QUOTA
    known = _named(warned) or by_status(status)
    if known is None and status == 404:
        known = FailureClass.MODEL_NOT_FOUND
    if known is None and status is None and (final.get("is_error") or warned):
        known = by_text(said) or _server(warned)
    return known or FailureClass.AGENT


def _named(warned: Word) -> FailureClass | None:
    return _BY_ERROR.get(_text(warned.get("error")))


def _server(warned: Word) -> FailureClass | None:
    return FailureClass.SERVER if warned.get("error") == "server_error" else None


def _is_rejected(events: Sequence[RunEvent]) -> bool:
    """Whether the program's last word about a limit is that it is reached."""
    told = [e.data.get("status") for e in events if e.kind is EventKind.LIMIT]
    lasting = [status for status in told if status != "retry"]
    return bool(lasting) and lasting[-1] == "rejected"


def _refused(
    failure: FailureClass,
    said: str,
    final: Word,
    end: Exit,
    usage: Usage | None,
    wait: float | None,
) -> Outcome:
    """The outcome of a run that ended without success, for a reason that is known."""
    is_limit = failure in _LIMITS
    message = said or "the provider's limit is reached"
    if failure is FailureClass.CONTEXT_OVERFLOW:
        message = f"the prompt is too long for the model: {said}"
    elif not is_limit:
        message = _ended_early(final) or said
    denied = "" if is_limit else _denied(final)
    is_own = failure is FailureClass.AGENT
    return Outcome(
        kind=OutcomeKind.RATE_LIMITED if is_limit else OutcomeKind.FAILED,
        message=one_line(f"{message}; {denied}" if denied else message, 500),
        result_data=_result_data([final]) if _text(final.get("result")) and not is_limit else None,
        usage=usage,
        exit_code=end.code,
        retry_after_seconds=wait if is_limit else None,
        failure=failure,
        denied=claude_denials.denied(final) if is_own else (),
    )


def _ended_early(final: Word) -> str:
    match final.get("subtype"):
        case "error_max_turns":
            turns = final.get("num_turns")
            return (
                f"ended after {turns} turns, the most it may take; raise runtimes.claude.max_turns"
            )
        case "error_max_budget_usd":
            return "used up its budget; raise runtimes.claude.max_budget_usd"
        case _:
            return ""


def _said(final: Word) -> str:
    """The program's own words about the end, in one line."""
    errors = final.get("errors")
    parts = [item for item in errors if isinstance(item, str)] if isinstance(errors, list) else []
    said = _text(final.get("result")) or "; ".join(parts)
    reason = final.get("terminal_reason") or final.get("subtype") or "unknown"
    return one_line(said) or f"ended with an error ({one_line(str(reason))})"


def _warned(events: Sequence[RunEvent]) -> Mapping[str, Any]:
    """What the last event said when it was an API error, told by the program in prose."""
    last = next((e for e in reversed(events) if e.kind in _TELLING), None)
    if last is None or last.kind is not EventKind.WARNING or not last.data.get("error"):
        return {}
    return {**last.data, "text": last.text}


_TELLING: Final = frozenset({EventKind.WARNING, EventKind.TEXT})


def _retry_after(said: str, events: Sequence[RunEvent], epoch: float) -> float | None:
    """Seconds until the limit is lifted, when the program told the time."""
    times = [
        event.data.get("resets_at")
        for event in events
        if event.kind is EventKind.LIMIT and event.data.get("status") == "rejected"
    ]
    if match := _RESET_IN_TEXT.search(said):
        times.append(int(match[1]))
    known = [time for time in times if isinstance(time, int | float)]
    return min(max(known[-1] - epoch, 0.0), _MAX_WAIT) if known else None


def _denied(final: Word) -> str:
    denials = final.get("denials")
    names = [str(name) for name in denials] if isinstance(denials, list) else []
    counts = {name: names.count(name) for name in dict.fromkeys(names)}
    told = ", ".join(f"{name} x{n}" if n > 1 else name for name, n in counts.items())
    return f"denied: {told}; see permission_mode and allowed_tools" if told else ""


def _result_data(finals: Sequence[Word]) -> dict[str, Any]:
    """What the agent reports. A report may precede a last word about a background task."""
    for final in reversed(finals):
        output = final.get("structured_output")
        if isinstance(output, Mapping):
            return dict(output)
        if found := structured(_text(final.get("result"))):
            return found
    return {"text": _text(finals[-1].get("result"))}


def _usage(final: Word) -> Usage | None:
    """The totals of the session."""
    models = final.get("modelUsage")
    by_model = models.values() if isinstance(models, Mapping) else ()
    parts = [part for part in by_model if isinstance(part, Mapping)]
    names = ("inputTokens", "outputTokens", "cacheReadInputTokens", "cacheCreationInputTokens")
    if not parts:
        flat = final.get("usage")
        parts = [flat] if isinstance(flat, Mapping) else []
        names = (
            "input_tokens",
            "output_tokens",
            "cache_read_input_tokens",
            "cache_creation_input_tokens",
        )
    sums = [_sum(parts, name) for name in names]
    cost = None if any(_is_guessed(part) for part in parts) else _cost(final)
    if cost is None and all(value is None for value in sums):
        return None
    return Usage(
        input_tokens=sums[0],
        output_tokens=sums[1],
        cache_read_tokens=sums[2],
        cache_write_tokens=sums[3],
        cost_usd=cost,
    )


def _is_guessed(part: Mapping[str, Any]) -> bool:
    """The price of a model that the program doesn't know."""
    return part.get("costBasis") == "unknown" and bool(part.get("costUSD"))


def _sum(parts: Sequence[Mapping[str, Any]], name: str) -> int | None:
    counts = [part[name] for part in parts if _is_count(part.get(name))]
    return int(sum(counts)) if counts else None


def _cost(final: Word) -> float | None:
    cost = final.get("total_cost_usd")
    return float(cost) if _is_count(cost) and isinstance(cost, int | float) else None


def _is_count(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e15


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
