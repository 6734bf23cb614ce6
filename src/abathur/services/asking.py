"""Questions to a person: asked, and made void. Parts of use cases; answers are in `reviewing`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from abathur.domain import questions
from abathur.domain.audit import Action
from abathur.domain.errors import RefusedError
from abathur.domain.landing import Landing
from abathur.domain.masking import masked
from abathur.domain.records import changed
from abathur.domain.reviews import Review, ReviewKind, ReviewState, landing_question
from abathur.domain.runs import Denial, Outcome
from abathur.domain.tasks import JsonObject, Task, TaskStatus, moved
from abathur.ports.stores import Stores
from abathur.services import trail

ALIVE: Final = frozenset({ReviewState.OPEN, ReviewState.APPROVED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """What a question needs that only the repository and chance know."""

    review_id: str
    tree: str | None = None
    """Of the work commit, when a person has to approve it."""
    target_commit: str | None = None
    """Where the target is at this moment."""
    evidence: JsonObject = field(default_factory=dict)
    """What speaks against landing: `conflict`, `leaks`; see `domain.reviews.Review.data`."""
    question: str = ""
    """What is asked about a landing, where it isn't just whether it may."""
    made_by: int | None = None
    """The attempt that made the work, where another one asks for its landing."""


def approval(
    stores: Stores, landing: Landing, asking: Asking, *, actor: str, now: datetime
) -> Review:
    """Ask whether the work may land. Every earlier answer about the task's work is void."""
    why = f"attempt {landing.attempt} made the tree {(asking.tree or '')[:12]}"
    for review in stores.reviews.of_task(landing.task_id):
        if review.kind is ReviewKind.LANDING and review.state in ALIVE:
            _void(stores, review, why, actor, now)
    data = {
        "landing_id": landing.id,
        "target": landing.target,
        "target_commit": asking.target_commit,
        "base_commit": landing.base_commit,
        "work_commit": landing.work_commit,
        **({} if asking.made_by is None else {"made_by": asking.made_by}),
        **asking.evidence,
    }
    return _ask(
        stores,
        asking,
        task_id=landing.task_id,
        attempt=landing.attempt,
        kind=ReviewKind.LANDING,
        question=asking.question
        or landing_question(landing.attempt, landing.target, asking.evidence),
        data=data,
        actor=actor,
        now=now,
    )


def permission(
    stores: Stores, task: Task, outcome: Outcome, asking: Asking, *, actor: str, now: datetime
) -> Task | None:
    """Let the task wait until a person says whether the agent may do what it was denied.

    None when all of it was asked before: then an answer has not helped, and the run has failed
    like any other.
    """
    earlier = stores.reviews.of_task(task.id)
    known = {rule for one in earlier if one.state is not ReviewState.VOID for rule in _rules(one)}
    denied = [_presentable(one) for one in outcome.denied]
    fresh = {one["rule"]: one for one in denied if one["rule"] not in known}
    if not fresh:
        return None
    _ask(
        stores,
        asking,
        task_id=task.id,
        attempt=task.attempt_count,
        kind=ReviewKind.PERMISSION,
        question=f"May the agent use {', '.join(fresh)}?",
        data={"denied": list(fresh.values()), "allowed": []},
        actor=actor,
        now=now,
    )
    return _wait(stores, task, outcome.message, actor, now)


def question(
    stores: Stores,
    task: Task,
    text: str,
    context: str,
    review_id: str,
    *,
    actor: str,
    now: datetime,
) -> Review:
    """What the agent of a running task asks a person.

    The same question again is the one that is there, answered or not. Raises `RefusedError` when
    too many wait for an answer.
    """
    wanted = masked(" ".join(text.split()))
    earlier = [one for one in stores.reviews.of_task(task.id) if one.kind is ReviewKind.QUESTION]
    for one in reversed(earlier):
        if one.question == wanted and one.state is not ReviewState.VOID:
            return one
    if sum(one.state is ReviewState.OPEN for one in earlier) >= questions.MOST_OPEN:
        raise RefusedError(
            f"{questions.MOST_OPEN} questions of this task wait for an answer already; go on as far"
            " as you can without another one"
        )
    return _ask(
        stores,
        Asking(review_id=review_id),
        task_id=task.id,
        attempt=task.attempt_count,
        kind=ReviewKind.QUESTION,
        question=wanted,
        data={"context": masked(context)} if context.strip() else {},
        actor=actor,
        now=now,
    )


def wait_for_answer(
    stores: Stores, task: Task, why: str, *, actor: str, now: datetime
) -> Task | None:
    """Let a task whose run has ended without success wait for what its agent has asked.

    None when nothing that it asked is open.
    """
    if not questions.open_ones(stores.reviews.of_task(task.id)):
        return None
    return _wait(stores, task, why, actor, now)


def _wait(stores: Stores, task: Task, why: str, actor: str, now: datetime) -> Task:
    waiting = moved(
        task,
        TaskStatus.PENDING,
        now,
        not_before=None,
        lost_count=0,
        error_message=why or None,
    )
    return trail.save(stores, Action.TASK_WAITS_FOR_REVIEW, task, waiting, actor, now)


def _rules(review: Review) -> Sequence[str]:
    return [one["rule"] for one in review.data.get("denied", ())]


def _presentable(denial: Denial) -> dict[str, Any]:
    """Without secrets. A rule that would hold one gives way to the tool as a whole."""
    rule = denial.rule if masked(denial.rule) == denial.rule else denial.tool
    return {"tool": denial.tool, "input": masked(denial.input), "rule": rule}


def _ask(
    stores: Stores, asking: Asking, *, kind: ReviewKind, actor: str, now: datetime, **fields: Any
) -> Review:
    review = Review(
        id=asking.review_id,
        kind=kind,
        tree=asking.tree if kind is ReviewKind.LANDING else None,
        state=ReviewState.OPEN,
        comment=None,
        asked_at=now,
        decided_at=None,
        decided_by=None,
        **fields,
    )
    stores.reviews.insert(review)
    tell(stores, Action.REVIEW_ASKED, review, actor, now, question=review.question)
    return review


def tell(
    stores: Stores, action: Action, review: Review, actor: str, now: datetime, **more: Any
) -> None:
    """An entry about the review in the trail of its task."""
    told = {"review": review.id, "kind": review.kind, "attempt": review.attempt}
    if review.tree is not None:
        told["tree"] = review.tree
    trail.record(stores, action, review.task_id, actor, now, **told, **more)


def void_open(stores: Stores, task_id: str, why: str, *, actor: str, now: datetime) -> None:
    """Take back what nobody needs an answer to any more."""
    for review in stores.reviews.of_task(task_id):
        if review.state is ReviewState.OPEN:
            _void(stores, review, why, actor, now)


def _void(stores: Stores, review: Review, why: str, actor: str, now: datetime) -> None:
    gone = changed(review, state=ReviewState.VOID, comment=why, decided_at=now, decided_by=actor)
    stores.reviews.save(gone)
    tell(stores, Action.REVIEW_VOIDED, review, actor, now, was=review.state, why=why)


def answers(stores: Stores, task_id: str) -> JsonObject:
    """What a person has said to the task's attempts: `permissions`, `answers`; empty if nothing."""
    reviews = stores.reviews.of_task(task_id)
    permissions, told = _permissions(reviews), questions.told(reviews)
    return {
        **({"permissions": permissions} if permissions else {}),
        **({"answers": told} if told else {}),
    }


def _permissions(reviews: Sequence[Review]) -> JsonObject | None:
    asked = [one for one in reviews if one.kind is ReviewKind.PERMISSION]
    allowed = [rule for one in asked for rule in one.data.get("allowed", ())]
    refused = [
        {"rules": _rules(one), "comment": one.comment}
        for one in asked
        if one.state is ReviewState.REJECTED
    ]
    if not allowed and not refused:
        return None
    return {"allowed": list(dict.fromkeys(allowed)), "refused": refused}
