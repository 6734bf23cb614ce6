"""Why a task isn't moving, from facts alone, in words for a person.

Each answer has one sentence that says what holds the task, the facts behind it, and what to do.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from abathur.domain.explain_failure import failure_of
from abathur.domain.explain_review import waits_for_review
from abathur.domain.explain_running import running, wait_or_start
from abathur.domain.explain_waiting import refused, told_beforehand, unserved
from abathur.domain.facts import Explanation, Facts
from abathur.domain.failures import WAITING
from abathur.domain.gates import Verdict
from abathur.domain.landing import Landing, LandingState
from abathur.domain.runs import OutcomeKind
from abathur.domain.tasks import Task, TaskStatus
from abathur.domain.wording import count, quote, short, span

__all__ = ["Explanation", "Facts", "explain"]

SHOWN_PREREQUISITES: Final = 10
FINISHED: Final = "Nothing to do: it is finished."
ENDED_BADLY: Final = frozenset({TaskStatus.FAILED, TaskStatus.CANCELLED})


Explainer = Callable[[Facts], Explanation | None]

EXPLAINERS: Final[tuple[Explainer, ...]] = (refused, unserved)
"""Asked in this order; the first that has an answer gives it. Only then the status is asked."""


def explain(facts: Facts) -> Explanation:
    found = _explained(facts)
    further = (*facts.loop, *_missed_deadline(facts))
    return replace(found, details=(*found.details, *further)) if further else found


def _missed_deadline(facts: Facts) -> tuple[str, ...]:
    deadline = facts.task.deadline
    if deadline is None or deadline > facts.now or facts.task.status.is_final:
        return ()
    return (f"its deadline was {facts.clock(deadline)}, {span(facts.now - deadline)} ago",)


def _explained(facts: Facts) -> Explanation:
    if facts.review is not None:
        return waits_for_review(facts, facts.review)
    for explainer in EXPLAINERS:
        found = explainer(facts)
        if found is not None:
            return found
    return _BY_STATUS[facts.task.status](facts)


def _name(task: Task) -> str:
    return f"task {short(task.id)} ({quote(task.summary)})"


def _retries(task: Task) -> str:
    if not task.max_retries:
        return "it has no retries"
    return f"{task.retry_count} of {count(task.max_retries, 'retry', 'retries')} spent"


def _end(task: Task, verb: str = "is") -> str:
    """How it ended and why, without saying twice that it was cancelled."""
    reason = quote(task.error_message)
    if reason.startswith(f"{task.status} "):
        return f"was {reason}"
    return f"{verb} {task.status}: {reason}"


# Waiting for others


def _blocked(facts: Facts) -> Explanation:
    dead = [task for task in facts.unmet if task.status in ENDED_BADLY]
    if dead:
        return _blocked_for_good(facts, dead[0])
    if not facts.unmet:
        return Explanation(
            "It is marked as blocked although all of its prerequisites are completed.",
            (f"it counts {count(facts.task.unmet_count, 'unmet prerequisite')}",),
            None,
            "This is a fault of the database: run `abathur db check`.",
        )
    first = facts.unmet[0]
    others = f", and for {count(len(facts.unmet) - 1, 'other task')}" if facts.unmet[1:] else ""
    return Explanation(
        f"It waits for {_name(first)}, which is {first.status}{others}.",
        (*_unmet_details(facts), *_root_details(facts), *told_beforehand(facts)),
        None,
        f"Run `abathur why {short(_root_id(facts))}` to see what holds that one.",
    )


def _root_id(facts: Facts) -> str:
    return facts.root.id if facts.root else facts.unmet[0].id


def _root_details(facts: Facts) -> tuple[str, ...]:
    """The far end of the chain, which is what somebody can do something about."""
    root = facts.root
    if root is None:
        return ()
    if root.id == facts.unmet[0].id:
        return (f"that one: {facts.root_summary}",)
    return (f"at the end of the chain is {_name(root)}: {facts.root_summary}",)


def _blocked_for_good(facts: Facts, dead: Task) -> Explanation:
    return Explanation(
        f"It waits for {_name(dead)}, which {_end(dead)}.",
        _unmet_details(facts),
        None,
        f"Run `abathur task retry {short(dead.id)}`, or "
        f"`abathur task cancel {short(facts.task.id)}`.",
    )


def _unmet_details(facts: Facts) -> tuple[str, ...]:
    shown = [f"{_name(t)} is {t.status}" for t in facts.unmet[:SHOWN_PREREQUISITES]]
    if len(facts.unmet) > SHOWN_PREREQUISITES:
        shown.append(f"and {count(len(facts.unmet) - SHOWN_PREREQUISITES, 'more task')}")
    not_before = facts.task.not_before
    if not_before is not None and not_before > facts.now:
        shown.append(f"it is scheduled for {facts.clock(not_before)} at the earliest")
    return tuple(shown)


# Waiting for a time


def _pending(facts: Facts) -> Explanation:
    due = facts.task.not_before or facts.now
    details = [_retries(facts.task), *failure_of(facts)] if facts.task.attempt_count else []
    if due <= facts.now:
        tail = ", but no swarm runs to take it" if facts.is_alone else " and is being queued"
        text = f"Its time came {span(facts.now - due)} ago{tail}."
    else:
        wait = f"{span(due - facts.now)} more, until {facts.clock(due)}"
        text = f"It waits {wait}, {_why_later(facts)}."
        if facts.is_alone:
            details.append("no swarm runs at the moment")
    details += told_beforehand(facts)
    return Explanation(text, tuple(details), facts.still_to_come(due), wait_or_start(facts))


def _why_later(facts: Facts) -> str:
    attempt = facts.attempt
    if attempt is None or attempt.outcome is None:
        return "because it is scheduled for then"
    number, reason = f"attempt {attempt.number}", quote(attempt.error_message)
    match attempt.outcome:
        case OutcomeKind.RATE_LIMITED:
            return f"because {number} ran into the provider's limit: {reason}"
        case OutcomeKind.FAILED if attempt.failure_class in WAITING and attempt.pid is None:
            return f"because {number} couldn't begin, as its surroundings failed: {reason}"
        case OutcomeKind.FAILED if attempt.failure_class in WAITING:
            return f"because {number} got no answer from the provider: {reason}"
        case OutcomeKind.LOST:
            return f"because {number} lost its worker, and others did before it"
        case OutcomeKind.TIMED_OUT:
            return f"because {number} took too long: {reason}"
        case OutcomeKind.FAILED:
            return f"because {number} failed: {reason}"
        case _:
            return "because it is scheduled for then"


# Waiting for a worker


def _ready(facts: Facts) -> Explanation:
    details = [
        f"{count(facts.ahead, 'task') if facts.ahead else 'nothing'} ahead of it in the queue"
    ]
    if facts.task.attempt_count:
        details.append(f"attempts so far: {facts.task.attempt_count}")
    if facts.task.error_message:
        details.append(f"it was handed back: {quote(facts.task.error_message)}")
        details += failure_of(facts)
    return Explanation(_ready_text(facts), tuple(details), None, wait_or_start(facts))


def _ready_text(facts: Facts) -> str:
    if facts.is_alone:
        return "It is ready, but no swarm runs."
    if facts.ahead < facts.free_slots:
        return "It is ready, and an agent is free: it is about to be started."
    others = count(facts.ahead, "other task")
    turn = f"{others} will be started before it" if facts.ahead else "it is the next one"
    if facts.free_slots == 0:
        return f"It is ready, but all agents are busy; {turn}."
    return f"It is ready; {turn}."


# Ended


def _completed(facts: Facts) -> Explanation:
    proof = facts.landing.proof if facts.landing else None
    if proof is None:
        text, details = "It is completed.", []
    elif proof.merge_commit is None:
        text = f"It is completed: there was nothing to land on {proof.target}."
        details = [f"the work commit {proof.work_commit[:12]} has the tree that it started from"]
        return Explanation(text, tuple(details), None, FINISHED)
    else:
        text = (
            f"It is completed: {proof.target} contains its work "
            f"by {proof.strategy} commit {proof.merge_commit[:12]}."
        )
        details = [f"work commit {proof.work_commit}", f"checked {facts.clock(proof.checked_at)}"]
    if proof is not None and proof.work_ref:
        details.append(f"its own commits are kept at {proof.work_ref}")
    details += _flaky(facts)
    if facts.landing and facts.landing.detail:
        details.append(quote(facts.landing.detail))
    return Explanation(text, tuple(details), None, FINISHED)


def no_longer_landed(landing: Landing) -> Explanation:
    """Of a completed task whose proof the repository doesn't bear out any more."""
    target, work = landing.target, landing.work_commit
    return Explanation(
        f"It was completed, but {target} no longer contains its work: it was moved back or "
        "rewritten since.",
        (f"its work is commit {work}",),
        None,
        f"`git branch --contains {work[:12]}` tells where it still is; bring it back by "
        f"`git merge {work[:12]}` on {shlex.quote(target)}, or leave it at that.",
    )


def _failed(facts: Facts) -> Explanation:
    task = facts.task
    attempts = count(task.attempt_count, "attempt")
    if facts.landing is not None and facts.landing.state is LandingState.CONFLICTED:
        return _left_to_a_person(facts, facts.landing)
    details = [_retries(task), *failure_of(facts), *_rework(task), *_kept(facts)]
    details += _flaky(facts)
    look = f"`abathur logs {short(task.id)}` shows what the agent did. " if facts.attempt else ""
    return Explanation(
        f"It failed after {attempts}: {quote(task.error_message)}.",
        tuple(details),
        None,
        f"{look}Mend the cause, then run `abathur task retry {short(task.id)}`.",
    )


def _left_to_a_person(facts: Facts, landing: Landing) -> Explanation:
    task, ref = facts.task, (landing.facts or {}).get("salvage_ref")
    merge = f"git switch {shlex.quote(landing.target)} && git merge {ref}"
    return Explanation(
        f"Its work is done, but {quote(task.error_message)}; a person has to bring the two "
        "together.",
        (*_rework(task), *_kept(facts)),
        None,
        f"Merge it by hand with `{merge}`, or run `abathur task retry {short(task.id)}` to have it "
        "done again.",
    )


def _flaky(facts: Facts) -> list[str]:
    return [
        f"gate `{run.gate}` is flaky: it passed on tree {run.tree[:12]} only when it was repeated"
        for run in facts.gate_runs
        if run.verdict is Verdict.FLAKY
    ]


def _rework(task: Task) -> list[str]:
    """Or one would wonder why it failed with retries left."""
    times = count(task.rework_count, "time")
    told = f"landing sent its work back {times}, which spends no retry but has its own limit"
    return [told] if task.rework_count else []


def _kept(facts: Facts) -> list[str]:
    """Where to look for what went wrong and what is left of the work."""
    attempt, landing = facts.attempt, facts.landing
    found = []
    if landing is not None and landing.verify_log:
        found.append(f"output of the gate that failed: {landing.verify_log}")
    if attempt is not None and attempt.transcript_path:
        found.append(f"transcript of attempt {attempt.number}: {attempt.transcript_path}")
    if attempt is not None and attempt.salvage_ref:
        found.append(f"work of attempt {attempt.number}: git show {attempt.salvage_ref}")
    return found


def _cancelled(facts: Facts) -> Explanation:
    task, cause = facts.task, facts.cancelled_by
    retry = f"Run `abathur task retry {short(task.id)}` to queue it again."
    if cause is None:
        text = f"It {_end(task, 'was')}."
        return Explanation(text, tuple(_kept(facts)), None, retry)
    if cause.status in ENDED_BADLY:
        retry = f"Run `abathur task retry {short(cause.id)}`: it brings this one back too."
    return Explanation(
        f"It was cancelled with {_name(cause)}, for which it waited.",
        (f"that one {_end(cause)}",)
        if cause.status in ENDED_BADLY
        else (f"that one is {cause.status} now",),
        None,
        retry,
    )


_BY_STATUS: Final[Mapping[TaskStatus, Callable[[Facts], Explanation]]] = {
    TaskStatus.PENDING: _pending,
    TaskStatus.BLOCKED: _blocked,
    TaskStatus.READY: _ready,
    TaskStatus.RUNNING: running,
    TaskStatus.COMPLETED: _completed,
    TaskStatus.FAILED: _failed,
    TaskStatus.CANCELLED: _cancelled,
}
