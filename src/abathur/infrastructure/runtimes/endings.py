"""What the end of a process tells when the program itself said nothing."""

from __future__ import annotations

import signal
from collections.abc import Sequence

from abathur.domain.failures import FailureClass
from abathur.domain.runs import EventKind, Exit, Outcome, OutcomeKind, RunEvent, Usage


def interrupted(end: Exit, usage: Usage | None = None) -> Outcome | None:
    """The verdict when we ended the run, or it never began; None when the program ended itself."""
    failure = None
    if end.timed_out:
        kind, message = OutcomeKind.TIMED_OUT, "used up its time and was stopped"
    elif end.stopped:
        kind, message = OutcomeKind.CANCELLED, "stopped from outside"
    elif end.code is None:
        kind, message = OutcomeKind.FAILED, "the program never started"
        failure = FailureClass.PROCESS
    else:
        return None
    return Outcome(kind=kind, message=message, usage=usage, exit_code=end.code, failure=failure)


def died(code: int | None) -> bool:
    """Whether a signal ended the program, also where a shell tells it as 128+n."""
    return code is not None and (code < 0 or 128 < code <= 128 + 31)


def not_run(end: Exit, events: Sequence[RunEvent]) -> bool:
    """Whether it is the shell or `env` that says so: nothing of the program has run."""
    return end.code in {126, 127} and not any(e.kind is not EventKind.RAW for e in events)


def described(code: int | None) -> str:
    """`exit code 3`, `killed by SIGKILL`; a shell's 128+n is told as the signal that it means."""
    if code is None:
        return "never started"
    number = -code if code < 0 else code - 128
    if died(code):
        try:
            return f"killed by {signal.Signals(number).name}"
        except ValueError:
            pass
    return f"exit code {code}"
