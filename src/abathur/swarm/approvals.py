"""Where a swarm asks a person: before work lands, and when an agent was denied what it needs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from abathur.domain import questions, reviews
from abathur.domain.errors import DatabaseError
from abathur.domain.landing import Landing
from abathur.domain.leaks import Leak, Secrets, leaks, told
from abathur.domain.masking import masked
from abathur.domain.needs import Need
from abathur.domain.reviews import Review
from abathur.domain.runs import Attempt, Outcome, OutcomeKind
from abathur.domain.tasks import JsonObject, Task, TaskStatus
from abathur.domain.wording import short
from abathur.services import reviewing
from abathur.services.asking import Asking
from abathur.services.claiming import actor_of
from abathur.services.running import Report
from abathur.swarm.gates import LandingStoppedError
from abathur.swarm.parts import Parts
from abathur.swarm.state import State


def judged(outcome: Outcome, *, is_changed: bool) -> Outcome:
    """A run that ended well but left nothing, since it was denied its edits, has failed."""
    if outcome.kind is not OutcomeKind.SUCCEEDED or is_changed or not outcome.denied:
        return replace(outcome, denied=()) if outcome.denied else outcome
    tools = ", ".join(dict.fromkeys(one.tool for one in outcome.denied))
    message = f"changed nothing, as it was denied: {tools}"
    return replace(outcome, kind=OutcomeKind.FAILED, message=message)


def allowed(attempt: Attempt) -> tuple[str, ...]:
    """What a person has approved for the attempt's task."""
    permissions = (attempt.feedback or {}).get("permissions") or {}
    return tuple(permissions.get("allowed", ()))


async def asking(parts: Parts, task: Task, report: Report) -> Asking | None:
    """What a question needs that may follow from this end of a run; None when none will."""
    if report.outcome.kind is not OutcomeKind.SUCCEEDED:
        return Asking(review_id=parts.new_id()) if report.outcome.denied else None
    target, base, head = report.target, report.base_commit, report.head_commit
    if not (target and base and head) or not _is_required(parts, task, target):
        return None
    return await _about(parts, target, base, head)


def _is_required(parts: Parts, task: Task, target: str) -> bool:
    required_for = parts.settings.review.required_for
    return reviews.is_required(required_for, target, task.agent_type)


async def _about(parts: Parts, target: str, base: str, head: str) -> Asking | None:
    """Where nothing was changed, there is nothing to approve."""
    tree = await parts.repository.tree(head)
    if tree == await parts.repository.tree(base):
        return None
    tip = await parts.repository.resolve(f"refs/heads/{target}")
    found = await _leaks(parts, base, head)
    evidence: dict[str, object] = {"leaks": [leak.plain for leak in found]} if found else {}
    if removed := await _removed(parts, tip, base):
        evidence[reviews.REWRITTEN] = removed
    return Asking(review_id=parts.new_id(), tree=tree, target_commit=tip, evidence=evidence)


async def is_rewritten(parts: Parts, target: str, base: str) -> bool:
    """Whether the target no longer contains what the work began on, and would get back by it."""
    tip = await parts.repository.resolve(f"refs/heads/{target}")
    return tip is not None and not await parts.repository.contains(tip, base)


async def _removed(parts: Parts, tip: str | None, base: str) -> list[JsonObject]:
    if tip is None or await parts.repository.contains(tip, base):
        return []
    found = await parts.repository.commits_beyond(tip, base)
    return [{"commit": one.commit, "subject": masked(one.subject)} for one in found]


async def _leaks(parts: Parts, base: str, head: str) -> Sequence[Leak]:
    if parts.settings.landing.secrets is Secrets.OFF:
        return ()
    added = await parts.repository.added_text(base, head)
    return await asyncio.to_thread(leaks, added, parts.redactor)


async def require(parts: Parts, state: State, landing: Landing, task: Task) -> None:
    """Raise `LandingStoppedError` unless the work may land without being looked at, or was.

    Reads the tree of the very commit that is about to land: an answer about any other doesn't
    count, and the question is asked anew.
    """
    is_required, secrets = _is_required(parts, task, landing.target), parts.settings.landing.secrets
    if not (
        is_required
        or secrets is not Secrets.OFF
        or await is_rewritten(parts, landing.target, landing.base_commit)
    ):
        return
    wanted = await _about(parts, landing.target, landing.base_commit, landing.work_commit)
    if wanted is None or wanted.tree is None:
        return
    leaky, removed = wanted.evidence.get("leaks"), wanted.evidence.get(reviews.REWRITTEN, ())
    if not (is_required or leaky or removed):
        return
    if await parts.db.read(reviewing.is_approved, landing, wanted.tree, removed):
        return
    if leaky:
        _warn(state, landing, task, [Leak(**leak) for leak in leaky])
    if is_required or removed or (leaky and secrets is Secrets.HOLD):
        await _ask(parts, state, landing, wanted, task)


def _warn(state: State, landing: Landing, task: Task, found: Sequence[Leak]) -> None:
    """Once for each landing, however often it is begun."""
    if landing.id not in state.told_leaks:
        state.told_leaks.add(landing.id)
        text = f"the work of attempt {landing.attempt} adds what looks like a secret"
        look = f"`abathur diff {short(task.id)}` shows the work"
        state.needs_person(Need.SECRET, f"{text}: {told(found)}; {look}", task)


async def _ask(parts: Parts, state: State, landing: Landing, wanted: Asking, task: Task) -> None:
    asked = await parts.db.write(
        reviewing.ask_unless_approved,
        landing,
        wanted,
        actor=actor_of(state.worker_id),
        now=parts.clock.now(),
    )
    if asked is not None:
        tell_review(state, asked, task)
        raise LandingStoppedError(f"review {asked.id} has to be answered first")


async def about_conflict(parts: Parts, landing: Landing, conflict: JsonObject) -> Asking:
    """What a person is asked when no agent is to bring the two together any more."""
    tree = await parts.repository.tree(landing.work_commit)
    tip = await parts.repository.resolve(f"refs/heads/{landing.target}")
    kept = {name: conflict[name] for name in ("paths", "message", "onto", "salvage_ref")}
    return Asking(
        review_id=parts.new_id(), tree=tree, target_commit=tip, evidence={"conflict": kept}
    )


async def tell_asked(parts: Parts, state: State, asked: Asking | None, task: Task) -> None:
    """Call a person, if the end of the run has led to a question, or waits for its agent's."""
    waits = task.status is TaskStatus.PENDING and task.not_before is None
    if asked is None and not waits:
        return
    try:
        found = await parts.db.read(lambda stores: stores.reviews.of_task(task.id))
    except DatabaseError:
        return  # it is written down; `abathur review list` shows it
    for review in found:
        is_new = asked is not None and review.id == asked.review_id
        if is_new or (waits and review in questions.open_ones(found)):
            tell_review(state, review, task)


def tell_review(state: State, review: Review, task: Task) -> None:
    how = f"`abathur review show {short(review.id)}` tells how to answer"
    state.needs_person(Need.REVIEW, f"{review.question} {how}", task)
