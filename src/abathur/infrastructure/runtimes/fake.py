"""A scripted agent, for trying things out and for tests: it costs nothing and needs no network.

What it does is written in the task's input data under `script`, or under `script` in the
settings: a list of steps, or a mapping from attempt number (`default` or `*` for all others) to
such lists. `fake_agent.py` lists the steps. Without a script it says the prompt and succeeds.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeGuard

from abathur.domain.failures import FailureClass, by_status
from abathur.domain.runs import (
    Command,
    Denial,
    EventKind,
    Exit,
    Outcome,
    OutcomeKind,
    RunEvent,
    RunSpec,
    Usage,
)
from abathur.infrastructure.runtimes.endings import described, interrupted
from abathur.infrastructure.runtimes.output import last_line, objects, one_line

PROGRAM: Final = Path(__file__).with_name("fake_agent.py")

_KINDS: Final = {
    "started": EventKind.STARTED,
    "text": EventKind.TEXT,
    "tool": EventKind.TOOL_USE,
    "tool_result": EventKind.TOOL_RESULT,
    "usage": EventKind.USAGE,
    "limit": EventKind.LIMIT,
    "denied": EventKind.DENIED,
    "end": EventKind.END,
}
_COUNTS: Final = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")


class FakeRuntime:
    @property
    def name(self) -> str:
        return "fake"

    def command(self, spec: RunSpec) -> Command:
        plan = {
            "prompt": spec.prompt,
            "attempt": spec.attempt,
            "worktree": str(spec.worktree),
            "steps": _steps(spec),
            "allowed": spec.allowed,
        }
        # Isolated and without `site`: starts in some milliseconds and sees no foreign package.
        return Command(
            argv=(sys.executable, "-I", "-S", str(PROGRAM)),
            stdin=json.dumps(plan, default=str).encode(),
        )

    def parse(self, line: str) -> tuple[RunEvent, ...]:
        if not line.strip():
            return ()
        found, rest = objects(line)
        if rest or len(found) != 1:
            return (RunEvent(EventKind.RAW, one_line(line)),)
        kind = found[0].pop("event", None)
        if not isinstance(kind, str) or kind not in _KINDS:
            return (RunEvent(EventKind.RAW, one_line(line)),)
        text = found[0].pop("text", "")
        return (RunEvent(_KINDS[kind], one_line(str(text)), found[0]),)

    def outcome(self, end: Exit, events: Sequence[RunEvent]) -> Outcome:
        usage = _usage([event.data for event in events if event.kind is EventKind.USAGE])
        final = next((e for e in reversed(events) if e.kind is EventKind.END), None)
        if final is not None:
            return _final(final, end, usage)
        if ended := interrupted(end, usage):
            return ended
        reason = last_line(end.stderr_tail) or "ended without its final event"
        return Outcome(
            kind=OutcomeKind.FAILED,
            message=f"{reason} ({described(end.code)})",
            usage=usage,
            exit_code=end.code,
            failure=FailureClass.PROCESS,
        )


def _steps(spec: RunSpec) -> Any:
    script = spec.input_data.get("script", spec.settings.get("script"))
    if script is None:
        return [{"say": one_line(spec.prompt)}]
    if not isinstance(script, Mapping):
        return script
    by_attempt = {str(key): steps for key, steps in script.items()}
    others = by_attempt.get("default", by_attempt.get("*"))
    return by_attempt.get(str(spec.attempt), others)


def _final(event: RunEvent, end: Exit, usage: Usage | None) -> Outcome:
    data = event.data
    kind = OutcomeKind.SUCCEEDED if data.get("ok") is True else OutcomeKind.FAILED
    if data.get("limited"):
        kind = OutcomeKind.RATE_LIMITED
    succeeded = kind is OutcomeKind.SUCCEEDED
    result, wait = data.get("result"), data.get("retry_after_seconds")
    return Outcome(
        kind=kind,
        message="" if succeeded else event.text or "failed without a reason",
        result_data=result if isinstance(result, Mapping) else None,
        usage=usage,
        exit_code=end.code,
        retry_after_seconds=wait if _is_number(wait) else None,
        denied=tuple(
            Denial(tool=rule.partition("(")[0], input={}, rule=rule)
            for rule in data.get("denied") or ()
        ),
        failure=None if succeeded else _failure(data),
    )


def _failure(data: Mapping[str, Any]) -> FailureClass:
    if data.get("limited"):
        return FailureClass.QUOTA
    named, status = data.get("class"), data.get("status")
    if named in set(FailureClass):
        return FailureClass(named)
    known = by_status(status) if isinstance(status, int) else None
    return known or FailureClass.AGENT


def _usage(parts: Sequence[Mapping[str, Any]]) -> Usage | None:
    """The sum of what was reported; what nobody reported stays unknown."""
    if not parts:
        return None
    counts: dict[str, Any] = {}
    for name in (*_COUNTS, "cost_usd"):
        values = [part[name] for part in parts if _is_number(part.get(name))]
        counts[name] = sum(values) if values else None
    return Usage(**counts)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e15
