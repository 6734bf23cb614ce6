"""How a run ended, for programs whose final event says no more than whether it went well.

Their parsers tell the end as an `end` event with `ok`, and for a failure with `message` and, where
the program told one, `status` of HTTP. The last one counts, unless the program began another
round after it; the exit code proves nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from abathur.domain.failure_texts import by_text
from abathur.domain.failures import FailureClass, by_status
from abathur.domain.runs import Denial, EventKind, Exit, Outcome, OutcomeKind, RunEvent, Usage
from abathur.infrastructure.runtimes.endings import described, died, interrupted, not_run
from abathur.infrastructure.runtimes.output import last_line, one_line, structured

LIMITS: Final = frozenset({FailureClass.QUOTA, FailureClass.CAPACITY})
COUNTS: Final = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
_NOT_FOUND: Final = 404
NO_FINAL: Final = "ended without its final event"

_WORDS: Final = tuple(
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in (
        (FailureClass.CAPACITY, r"resource has been exhausted"),
        (
            FailureClass.AUTHENTICATION,
            r"api key not valid|unauthenticated|AuthenticationError"
            r"|must specify the \w+ environment variable",
        ),
        (FailureClass.CONTEXT_OVERFLOW, r"has hit a token limit"),
        (
            FailureClass.MODEL_NOT_FOUND,
            r"invalid model selection|ModelNotFoundError|\b404\b.{0,40}\bmodel\b",
        ),
        (
            FailureClass.NETWORK,
            r"error sending request|stream disconnected|connection (?:failed|error|closed)"
            r"|unable to connect|socket (?:hang up|closed)|network error|getaddrinfo",
        ),
        (
            FailureClass.CONFIGURATION,
            r"unexpected argument|unknown (?:option|argument)|unrecognized argument|bwrap: execvp"
            r"|error loading config|invalid (?:value|config)|missing environment variable",
        ),
    )
)


def judged(end: Exit, events: Sequence[RunEvent], usage: Usage | None) -> Outcome:
    final = last_word(events)
    if final is not None and final.data.get("ok") is True:
        return Outcome(
            kind=OutcomeKind.SUCCEEDED,
            result_data=result(events),
            usage=usage,
            exit_code=end.code,
        )
    if ended := interrupted(end, usage):
        return ended
    if final is None:
        return _without_final(end, events, usage)
    return failed(end, final.text, final.data, usage, result(events))


def last_word(events: Sequence[RunEvent]) -> RunEvent | None:
    """The final event; None when the program began another round after it."""
    final: RunEvent | None = None
    for event in events:
        if event.kind is EventKind.END:
            final = event
        elif event.kind is EventKind.STARTED:
            final = None
    return final


def failed(
    end: Exit,
    said: str,
    facts: Mapping[str, Any],
    usage: Usage | None,
    result_data: Mapping[str, Any] | None = None,
) -> Outcome:
    """The outcome of a run that ended without success, by status first and by words then."""
    status = facts.get("status")
    message = one_line(str(facts.get("message") or said)) or "failed without a reason"
    known = by_status(status) if isinstance(status, int) else None
    failure = by_words(message) if known in {None, FailureClass.CAPACITY} else known
    if failure is None and status == _NOT_FOUND and "model" in message.lower():
        failure = FailureClass.MODEL_NOT_FOUND
    failure = failure or known or FailureClass.AGENT
    is_limit = failure in LIMITS
    told = result_data if result_data and "execution_status" in result_data else None
    return Outcome(
        kind=OutcomeKind.RATE_LIMITED if is_limit else OutcomeKind.FAILED,
        message=message,
        result_data=None if is_limit else told,
        usage=usage,
        exit_code=end.code,
        failure=failure,
    )


def by_words(message: str) -> FailureClass | None:
    """By an error's own words, which are about the program and not about the task."""
    if found := by_text(message):
        return found
    return next((kind for kind, pattern in _WORDS if pattern.search(message)), None)


def _without_final(end: Exit, events: Sequence[RunEvent], usage: Usage | None) -> Outcome:
    denied = [e.data.get("tool") for e in events if e.kind is EventKind.DENIED]
    if denied and not end.stderr_tail and not died(end.code):
        tools = ", ".join(dict.fromkeys(str(tool) for tool in denied))
        message = f"{NO_FINAL}, after it was denied: {tools}"
        return failed(end, message, {}, usage)
    warned = next((e for e in reversed(events) if e.kind is EventKind.WARNING), None)
    reason = last_line(end.stderr_tail) or (warned.text if warned else "")
    failure = None if died(end.code) else by_words(end.stderr_tail or reason)
    if failure is not None and end.stderr_tail:
        reason = _telling_line(end.stderr_tail, failure)
    elif failure is None and not_run(end, events):
        failure = FailureClass.CONFIGURATION
    if failure in LIMITS:
        return failed(end, reason, {}, usage)
    told = reason if reason and failure is not None else NO_FINAL
    if reason and failure is None:
        told = f"{NO_FINAL}: {reason}"
    return Outcome(
        kind=OutcomeKind.FAILED,
        message=f"{told} ({described(end.code)})",
        usage=usage,
        exit_code=end.code,
        failure=failure or FailureClass.PROCESS,
    )


def _telling_line(text: str, failure: FailureClass) -> str:
    """The last line from which the kind of the failure is known, else the last one of all."""
    lines = [line for line in text.splitlines() if line.strip()]
    return next((one_line(x) for x in reversed(lines) if by_words(x) is failure), last_line(text))


def result(events: Sequence[RunEvent]) -> dict[str, Any] | None:
    """What the agent reports: its structured result, else its last words."""
    whole: list[str] = []
    is_open = False
    for event in events:
        if event.kind is not EventKind.TEXT:
            continue
        is_part = event.data.get("delta") is True
        if is_part and is_open:
            whole[-1] += whole_text(event)
        else:
            whole.append(whole_text(event))
        is_open = is_part
    if not whole:
        return None
    return structured("\n".join(whole[-20:])) or {"text": whole[-1]}


def whole_text(event: RunEvent) -> str:
    return str(event.data.get("whole", event.text))


def said(text: str, **data: Any) -> RunEvent:
    """A text event; what is longer than one line is kept beside it, for the result may be in it."""
    line = one_line(text)
    if line != text and len(text) <= MAX_KEPT:
        data["whole"] = text
    return RunEvent(EventKind.TEXT, line, data)


MAX_KEPT: Final = 65_536


def summed(events: Sequence[RunEvent]) -> Usage | None:
    """Of a program that tells what each step took; what nobody told stays unknown."""
    parts = [event.data for event in events if event.kind is EventKind.USAGE]
    return _usage({name: _sum(parts, name) for name in (*COUNTS, "cost_usd")})


def last_of_each(events: Sequence[RunEvent]) -> Usage | None:
    """Of a program that tells totals of some figures in one event, and of others in another."""
    parts = [event.data for event in reversed(events) if event.kind is EventKind.USAGE]

    def last(name: str) -> float | None:
        return next((part[name] for part in parts if is_count(part.get(name))), None)

    return _usage({name: last(name) for name in (*COUNTS, "cost_usd")})


def last_told(events: Sequence[RunEvent]) -> Usage | None:
    """Of a program that tells the total each time."""
    parts = [event.data for event in events if event.kind is EventKind.USAGE]
    if not parts:
        return None
    return _usage({name: _sum(parts[-1:], name) for name in (*COUNTS, "cost_usd")})


def _usage(counts: Mapping[str, float | None]) -> Usage | None:
    if all(value is None for value in counts.values()):
        return None
    whole = {name: None if counts[name] is None else int(counts[name] or 0) for name in COUNTS}
    return replace(Usage(**whole), cost_usd=counts["cost_usd"])


def _sum(parts: Sequence[Mapping[str, Any]], name: str) -> float | None:
    values = [part[name] for part in parts if is_count(part.get(name))]
    return round(sum(values), 9) if values else None


def is_count(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e15


def not_resumed(end: Exit) -> Outcome:
    """A session that the program doesn't know, or won't go on with."""
    return Outcome(
        kind=OutcomeKind.FAILED,
        message=last_line(end.stderr_tail) or "the session couldn't be gone on with",
        exit_code=end.code,
        failure=FailureClass.PROCESS,
        is_not_resumed=True,
    )


def of_session(outcome: Outcome) -> Outcome:
    """For programs that count over all runs of a session."""
    return replace(outcome, is_session_usage=True) if outcome.usage else outcome


def not_edited(outcome: Outcome, tool: str, rule: str) -> Outcome:
    """A run that ended well although it was kept from an edit."""
    return replace(outcome, denied=(Denial(tool=tool, input={}, rule=rule),))
