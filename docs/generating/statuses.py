"""Statuses of tasks, attempts and landings, events, and actions of the trail."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

from abathur.domain.audit import Action
from abathur.domain.landing import LandingState
from abathur.domain.runs import EventKind, OutcomeKind
from abathur.domain.tasks import TRANSITIONS, TaskStatus
from generating.text import code, table

TASK_STATUSES: Final[Mapping[TaskStatus, str]] = {
    TaskStatus.PENDING: "waits for a time: scheduled for later, or backing off after an attempt",
    TaskStatus.BLOCKED: "waits for prerequisites",
    TaskStatus.READY: "waits for a free agent",
    TaskStatus.RUNNING: "an agent works on it, or its work is on the way to the target",
    TaskStatus.COMPLETED: "proven: the target contains the work, or there was nothing to land",
    TaskStatus.FAILED: "no retry is left, or its work was refused for good; what waits for it is"
    " cancelled",
    TaskStatus.CANCELLED: "by a person, or because something that it waited for failed or was"
    " cancelled",
}
OUTCOMES: Final[Mapping[OutcomeKind, str]] = {
    OutcomeKind.SUCCEEDED: "the agent is done; its work goes on to land",
    OutcomeKind.FAILED: "the agent or its set-up failed",
    OutcomeKind.TIMED_OUT: "it took longer than the task's timeout and was ended",
    OutcomeKind.SILENT: "it said nothing, nothing of it moved, and the swarm ended it",
    OutcomeKind.RATE_LIMITED: "the provider's limit; tried again when that is lifted",
    OutcomeKind.CANCELLED: "the task was cancelled meanwhile",
    OutcomeKind.RELEASED: "handed back by a swarm that stops in order",
    OutcomeKind.LOST: "its swarm was gone, or silent for longer than its lease",
}
LANDINGS: Final[Mapping[LandingState, str]] = {
    LandingState.QUEUED: "waits for its turn on the target",
    LandingState.RUNNING: "is merged, checked and put onto the target",
    LandingState.LANDED: "the target contains the work; the proof is kept",
    LandingState.NOTHING_CHANGED: "the agent changed nothing, so there was nothing to land",
    LandingState.CONFLICTED: "others have changed the same places",
    LandingState.REJECTED: "the verify command failed on the merged tree",
    LandingState.CANCELLED: "the task was cancelled before the branch was moved",
}
EVENTS: Final[Mapping[EventKind, str]] = {
    EventKind.STARTED: "the agent's program has begun",
    EventKind.TEXT: "it says something",
    EventKind.TOOL_USE: "it uses a tool",
    EventKind.TOOL_RESULT: "the tool's answer",
    EventKind.USAGE: "tokens and cost",
    EventKind.LIMIT: "the provider's limit, or how near it is",
    EventKind.DENIED: "it wasn't allowed to do something",
    EventKind.WARNING: "something is wrong, but it goes on",
    EventKind.RAW: "a line that the runtime doesn't understand",
    EventKind.WATCH: "what the swarm saw of a run that says nothing",
    EventKind.END: "the program's own final word",
}


def statuses() -> str:
    transitions = [
        [code(old), TASK_STATUSES[old], ", ".join(code(new) for new in TaskStatus if new in news)]
        for old, news in TRANSITIONS.items()
    ]
    outcomes = [
        [code(kind), OUTCOMES[kind], "yes" if kind.spends_retry else "no"] for kind in OutcomeKind
    ]
    return "\n\n".join(
        [
            "# Statuses",
            "## Tasks",
            table(["Status", "Meaning", "can become"], transitions),
            "`failed` and `cancelled` are left by `abathur task retry` only, `completed` never.",
            "## Outcomes of attempts",
            table(["Outcome", "Meaning", "spends a retry"], outcomes),
            "## Landings",
            _meanings("State", LandingState, LANDINGS),
            "## Events of a run",
            _meanings("Kind", EventKind, EVENTS),
            "## Actions in the audit trail",
            ", ".join(code(action) for action in Action) + ".",
        ]
    )


def _meanings(head: str, kinds: type[Enum], meanings: Mapping[Any, str]) -> str:
    return table([head, "Meaning"], [[code(kind.value), meanings[kind]] for kind in kinds])
