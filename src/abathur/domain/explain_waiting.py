"""What keeps a task that could start from being started, besides a lack of agents."""

from __future__ import annotations

import shlex
from typing import Final

from abathur.domain.admission import Hold, HoldCause, HoldScope, Refusal, RefusalKind
from abathur.domain.explain_running import NOTHING_TO_DO, wait_or_start
from abathur.domain.facts import Explanation, Facts
from abathur.domain.tasks import TaskStatus
from abathur.domain.wording import count, quote, short, span

BEFORE_RESUMING: Final = {
    HoldCause.PERSON: "Run",
    HoldCause.BUDGET: "Raise the budget, or run",
    HoldCause.AUTHENTICATION: "Put that right, then run",
}


def refused(facts: Facts) -> Explanation | None:
    """A ready task that admission refuses."""
    refusal = facts.refusal
    if facts.task.status is not TaskStatus.READY or refusal is None:
        return None
    details = [_ahead(facts.ahead)] if facts.ahead else []
    if refusal.hold is not None:
        begun = refusal.hold.created_at
        details.append(f"since {facts.clock(begun)}, {span(facts.now - begun)} ago")
    if facts.is_alone:
        details.append("no swarm runs at the moment")
    return Explanation(
        f"It is ready, but {refusal.text}{_until(facts, refusal)}.",
        tuple(details),
        facts.still_to_come(refusal.until),
        _step(facts, refusal),
    )


def unserved(facts: Facts) -> Explanation | None:
    """A ready task of an agent type that can't be run on this host."""
    if facts.task.status is not TaskStatus.READY or facts.agent_problem is None:
        return None
    return Explanation(
        f"It is ready, but nobody here can run agents of type `{facts.task.agent_type}`: "
        f"{quote(facts.agent_problem)}.",
        ("another host may be able to",),
        None,
        "Run `abathur doctor` to see what every agent type needs.",
    )


def told_beforehand(facts: Facts) -> tuple[str, ...]:
    """What will hold the task once nothing else does."""
    refusal = facts.refusal
    if refusal is None or (refusal.hold is None and refusal.kind is not RefusalKind.TARGET):
        return ()
    return (f"then it will wait on, because {refusal.text}{_until(facts, refusal)}",)


def resume_command(hold: Hold) -> str:
    option = {
        HoldScope.EVERYTHING: "",
        HoldScope.TARGET: f" --target {shlex.quote(hold.name)}",
        HoldScope.TASK: f" --task {short(hold.name)}",
        HoldScope.AGENT_TYPE: f" --agent-type {hold.name}",
        HoldScope.HOST: f" --host {hold.name}",
    }[hold.scope]
    return f"`abathur resume{option}`"


def _until(facts: Facts, refusal: Refusal) -> str:
    if refusal.until is None:
        return ""
    return f", until {facts.clock(refusal.until)} ({span(refusal.until - facts.now)} more)"


def _step(facts: Facts, refusal: Refusal) -> str:
    if refusal.hold is not None:
        hold = refusal.hold
        if hold.cause is HoldCause.DISK:
            after = "run `abathur swarm start`" if facts.is_alone else "it is let go by itself"
            return f"Make room on the disk, then {after}."
        return f"{BEFORE_RESUMING[hold.cause]} {resume_command(hold)} to let it go."
    if refusal.advice:
        return refusal.advice
    if refusal.kind is RefusalKind.RESERVATION and refusal.task_id:
        return f"Run `abathur why {short(refusal.task_id)}` to see how far that one is."
    return wait_or_start(facts) if facts.is_alone else NOTHING_TO_DO


def _ahead(number: int) -> str:
    return f"{count(number, 'ready task')} {'is' if number == 1 else 'are'} more urgent"
