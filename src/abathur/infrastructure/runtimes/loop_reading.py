"""What the loop of our own tells, and how its run ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from abathur.domain.failures import FailureClass
from abathur.domain.runs import Denial, EventKind, Exit, Outcome, OutcomeKind, RunEvent, Usage
from abathur.infrastructure.runtimes.endings import described, interrupted
from abathur.infrastructure.runtimes.output import last_line, objects, one_line, structured
from abathur.infrastructure.runtimes.verdicts import COUNTS, LIMITS, NO_FINAL, is_count, last_word

_KINDS: Final = {
    kind.value: kind for kind in EventKind if kind not in {EventKind.RAW, EventKind.WATCH}
}


def parse(line: str) -> tuple[RunEvent, ...]:
    if not line.strip():
        return ()
    found, rest = objects(line)
    if rest or len(found) != 1:
        return (RunEvent(EventKind.RAW, one_line(line)),)
    data = found[0]
    kind, text = data.pop("event", None), data.pop("text", "")
    if not isinstance(kind, str) or kind not in _KINDS or not isinstance(text, str):
        return (RunEvent(EventKind.RAW, one_line(line)),)
    shown = one_line(text)
    if shown != text and _KINDS[kind] in {EventKind.TEXT, EventKind.END}:
        data["whole"] = text
    return (RunEvent(_KINDS[kind], shown, data),)


def outcome(end: Exit, events: Sequence[RunEvent]) -> Outcome:
    usage = _usage([event.data for event in events if event.kind is EventKind.USAGE])
    final = last_word(events)
    if final is not None and final.data.get("ok") is True:
        return Outcome(
            kind=OutcomeKind.SUCCEEDED,
            result_data=_result(final),
            usage=usage,
            exit_code=end.code,
            denied=_denied(final.data),
        )
    if ended := interrupted(end, usage):
        return ended
    if final is not None:
        return _failed(final, end, usage)
    reason = last_line(end.stderr_tail)
    told = f"{NO_FINAL}: {reason}" if reason else NO_FINAL
    return Outcome(
        kind=OutcomeKind.FAILED,
        message=one_line(f"{told} ({described(end.code)})", 500),
        usage=usage,
        exit_code=end.code,
        failure=FailureClass.PROCESS,
    )


def _failed(final: RunEvent, end: Exit, usage: Usage | None) -> Outcome:
    named, wait = final.data.get("class"), final.data.get("retry_after_seconds")
    failure = FailureClass(named) if named in set(FailureClass) else FailureClass.AGENT
    is_limit = failure in LIMITS
    return Outcome(
        kind=OutcomeKind.RATE_LIMITED if is_limit else OutcomeKind.FAILED,
        message=final.text or "failed without a reason",
        usage=usage,
        exit_code=end.code,
        retry_after_seconds=wait if is_limit and is_count(wait) else None,
        failure=failure,
        is_not_resumed=final.data.get("not_resumed") is True,
        denied=_denied(final.data) if failure is FailureClass.AGENT else (),
    )


def _result(final: RunEvent) -> dict[str, Any] | None:
    said = str(final.data.get("whole", final.text))
    return structured(said) or ({"text": said} if said else None)


def _denied(data: Mapping[str, Any]) -> tuple[Denial, ...]:
    told = data.get("denied")
    return tuple(
        Denial(
            tool=str(one["tool"]),
            input=one["input"] if isinstance(one.get("input"), Mapping) else {},
            rule=str(one["rule"]),
        )
        for one in (told if isinstance(told, list) else ())
        if isinstance(one, Mapping) and "tool" in one and "rule" in one
    )


def _usage(parts: Sequence[Mapping[str, Any]]) -> Usage | None:
    """The sum of what was told; what nobody told stays unknown."""
    if not parts:
        return None
    counts: dict[str, Any] = {}
    for name in (*COUNTS, "cost_usd"):
        values = [part[name] for part in parts if is_count(part.get(name))]
        counts[name] = sum(values) if values else None
    # A cost that is known of a part only is none of the whole.
    if any(not is_count(part.get("cost_usd")) for part in parts):
        counts["cost_usd"] = None
    return Usage(**counts)
