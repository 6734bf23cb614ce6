"""Where a running task is: with its agent, between workers, or on the way to its target."""

from __future__ import annotations

import shlex
from datetime import timedelta
from typing import Final

from abathur.domain.admission import hold_text
from abathur.domain.facts import Explanation, Facts
from abathur.domain.landing import Landing, LandingState
from abathur.domain.wording import count, quote, short, span

START_SWARM: Final = "Run `abathur swarm start`."
SHOWN_PATHS: Final = 5
NOTHING_TO_DO: Final = "Nothing to do: it goes on by itself."


def wait_or_start(facts: Facts) -> str:
    return START_SWARM if facts.is_alone else NOTHING_TO_DO


def running(facts: Facts) -> Explanation:
    task, landing, attempt = facts.task, facts.landing, facts.attempt
    if landing is not None and landing.attempt == task.attempt_count and not landing.state.is_final:
        return _landing(facts, landing)
    if _lost_why(facts) is not None:
        return _lost(facts)
    if attempt is not None and attempt.ended_at is not None:
        return Explanation(
            f"Attempt {attempt.number} is over ({attempt.outcome}) and is being cleaned up.",
            _place(facts),
            facts.still_to_come(task.lease_until),
            wait_or_start(facts),
        )
    return _at_work(facts)


def _at_work(facts: Facts) -> Explanation:
    task, attempt = facts.task, facts.attempt
    if attempt is None or (attempt.pid is None and facts.last_event_at is None):
        text = "It was claimed, and its worktree is being prepared."
        return Explanation(text, _place(facts), None, NOTHING_TO_DO)
    timeout = attempt.started_at + timedelta(seconds=task.max_execution_timeout_seconds)
    return Explanation(
        f"Attempt {attempt.number} has been running for {span(facts.now - attempt.started_at)}; "
        f"{_sign_of_life(facts)}.",
        (*_place(facts), f"it is stopped at {facts.clock(timeout)} at the latest"),
        facts.still_to_come(timeout),
        _step_at_work(facts),
    )


def _sign_of_life(facts: Facts) -> str:
    if facts.last_event_at is None:
        return "the agent has said nothing yet"
    if facts.watched is not None:
        return f"the swarm looked {span(facts.now - facts.last_event_at)} ago: {facts.watched}"
    said = f" ({quote(facts.last_event_text)})" if facts.last_event_text else ""
    return f"its last sign of life was {span(facts.now - facts.last_event_at)} ago{said}"


def _step_at_work(facts: Facts) -> str:
    if facts.worker is not None and facts.worker.stop_requested_at is not None:
        return "Nothing to do: the swarm is stopping, the task is finished or handed back."
    return f"Nothing to do; `abathur task cancel {short(facts.task.id)}` would stop it."


def _lost_why(facts: Facts) -> str | None:
    """Why the holder can't be counted on any more, None while it can."""
    worker, until = facts.worker, facts.task.lease_until
    if worker is not None and (facts.worker_alive is False or worker.stopped_at is not None):
        return f"its worker is gone (process {worker.pid} on {worker.machine})"
    if until is not None and until <= facts.now:
        return f"its worker went silent, and its lease ran out {span(facts.now - until)} ago"
    return None


def _lost(facts: Facts) -> Explanation:
    why = _lost_why(facts) or ""
    who = "the next swarm that starts takes" if facts.is_alone else "the swarm takes"
    return Explanation(
        f"{why[:1].upper()}{why[1:]}; {who} the task back and runs it again.",
        (*_place(facts), _sign_of_life(facts), "losing a worker spends no retry"),
        facts.still_to_come(facts.task.lease_until),
        wait_or_start(facts),
    )


def _place(facts: Facts) -> tuple[str, ...]:
    worker, attempt = facts.worker, facts.attempt
    found = (
        [f"worker {short(worker.id)} on {worker.machine}, process {worker.pid}"] if worker else []
    )
    if attempt is not None and attempt.runtime:
        model = f", model {attempt.model}" if attempt.model else ""
        why = f" ({attempt.model_choice})" if attempt.model_choice else ""
        found.append(f"runtime {attempt.runtime}{model}{why}")
    if facts.task.worktree_path:
        found.append(f"worktree {facts.task.worktree_path}")
    return tuple(found)


def _landing(facts: Facts, landing: Landing) -> Explanation:
    started = landing.started_at if landing.state is LandingState.RUNNING else None
    since = started or landing.requested_at
    begun = "begun" if started else "waiting since"
    details = (
        f"{begun} {facts.clock(since)}, {span(facts.now - since)} ago",
        f"the work is commit {landing.work_commit[:12]} of attempt {landing.attempt}",
        *_place_in_queue(facts, landing),
        *_overlaps(facts),
    )
    alone = ("no swarm runs at the moment",) if facts.is_alone else ()
    hold = facts.landing_hold
    if hold is not None:
        text = f"Its work is done, but may not land: {hold_text(hold)}."
        step = f"Run `abathur resume --target {shlex.quote(landing.target)}` to let it land."
        until = facts.still_to_come(hold.hold_until)
        return Explanation(text, (*details, *alone), until, step)
    is_begun = landing.state is not LandingState.QUEUED or landing.merge_commit is not None
    if facts.closure is not None and not is_begun:
        text = f"Its work is done, but may not land: {facts.closure.text}."
        return Explanation(text, (*details, *alone), None, facts.closure.step)
    return Explanation(_landing_text(facts, landing), details, None, wait_or_start(facts))


def _overlaps(facts: Facts) -> tuple[str, ...]:
    found = []
    for overlap in facts.overlaps:
        mine = overlap.task_id == facts.task.id
        other = overlap.other_task_id if mine else overlap.task_id
        paths = ", ".join(overlap.paths[:SHOWN_PATHS])
        found.append(f"task {short(other)} works on the same: {paths}")
    return tuple(found)


def _place_in_queue(facts: Facts, landing: Landing) -> tuple[str, ...]:
    if landing.state is not LandingState.QUEUED:
        return ()
    if not facts.landings_ahead:
        return (f"it is the next to land on {landing.target}",)
    ahead = count(facts.landings_ahead, "landing")
    return (f"{ahead} on {landing.target} before it",)


def _landing_text(facts: Facts, landing: Landing) -> str:
    target = landing.target
    if landing.state is LandingState.QUEUED and facts.is_alone:
        return f"Its work is done and waits to land on {target}, but no swarm runs."
    if landing.state is LandingState.QUEUED:
        return f"Its work is done and waits for its turn to land on {target}."
    expired = landing.lease_until is not None and landing.lease_until <= facts.now
    if expired or facts.is_alone:
        return f"Its work was landing on {target} when the worker was lost; it is taken up again."
    if landing.merge_commit:
        return f"Its work is merged and is being put onto {target} at this moment."
    return f"Its work is being merged with {target} and verified."
