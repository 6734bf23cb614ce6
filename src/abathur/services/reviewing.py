"""Answering questions: a person's word, written down together with what follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from abathur.domain.audit import Action
from abathur.domain.errors import IllegalTransitionError, InvalidInputError, NotFoundError
from abathur.domain.landing import Landing, LandingState
from abathur.domain.records import changed
from abathur.domain.reviews import REJECTION, REWRITTEN, Review, ReviewKind, ReviewState
from abathur.domain.tasks import JsonObject, Task, TaskStatus, moved
from abathur.ports.stores import Stores
from abathur.services import asking, trail
from abathur.services.asking import Asking
from abathur.services.cancelling import cancel

SHOWN_CANDIDATES: Final = 5


@dataclass(frozen=True, slots=True)
class Answered:
    review: Review
    task: Task


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why, and what becomes of the work."""

    comment: str
    salvage_ref: str | None
    """The ref that keeps the work; None for a permission, and for work that is gone."""
    cancels: bool = False
    """Give the task up instead of handing it to an agent again."""


def resolve(stores: Stores, text: str) -> Review:
    """The review of an id or its unique prefix.

    Raises `NotFoundError`, `InvalidInputError`.
    """
    prefix = text.strip().lower()
    if not prefix or any(c not in "0123456789abcdef-" for c in prefix):
        raise InvalidInputError(
            f"`{text}` isn't the id of a review; `abathur review list` shows the ids"
        )
    found = stores.reviews.by_prefix(prefix, SHOWN_CANDIDATES + 1)
    if not found:
        raise NotFoundError(
            f"no review has an id that begins with `{text}`; `abathur review list --all` shows them"
        )
    if len(found) > 1:
        shown = ", ".join(found[:SHOWN_CANDIDATES])
        raise InvalidInputError(f"id `{text}` fits several reviews ({shown}); type more of it")
    review = stores.reviews.get(found[0])
    assert review is not None
    return review


def select(stores: Stores, *, task_id: str | None, also_decided: bool) -> Sequence[Review]:
    """Open reviews, oldest first; or all of a task, or the newest thousand."""
    if task_id is not None:
        found = stores.reviews.of_task(task_id)
        return [one for one in found if also_decided or one.state is ReviewState.OPEN]
    return stores.reviews.recent(1000) if also_decided else stores.reviews.open()


def _open(stores: Stores, text: str) -> tuple[Review, Task]:
    review = resolve(stores, text)
    task = stores.tasks.get(review.task_id)
    if task is None:
        raise NotFoundError(f"task {review.task_id} is gone from the database")
    if review.state is not ReviewState.OPEN:
        why = f": {review.comment}" if review.comment else ""
        raise IllegalTransitionError(
            f"review {review.id} is {review.state} already{why}; "
            f"`abathur review list` shows what is open"
        )
    return review, task


def approve(
    stores: Stores,
    text: str,
    *,
    comment: str | None,
    allow: Sequence[str],
    actor: str,
    now: datetime,
) -> Answered:
    """Let the work land, or the agent try again with what it was denied.

    `allow` are the rules to grant instead of those that were asked for.
    """
    review, task = _open(stores, text)
    if review.kind is not ReviewKind.PERMISSION and allow:
        raise InvalidInputError(f"review {review.id} is about a {review.kind}; leave --allow out")
    said = {"comment": comment, "decided_at": now, "decided_by": actor}
    approved = changed(review, state=ReviewState.APPROVED, **said)
    if review.kind is ReviewKind.LANDING:
        stores.reviews.save(approved)
        asking.tell(stores, Action.REVIEW_APPROVED, review, actor, now, comment=comment)
        return Answered(approved, task)
    if review.kind is ReviewKind.QUESTION:
        stores.reviews.save(approved)
        asking.tell(stores, Action.REVIEW_APPROVED, review, actor, now, comment=comment)
        return Answered(approved, _answered(stores, task, actor, now))
    rules = list(allow) or [one["rule"] for one in review.data["denied"]]
    approved = changed(approved, data={**review.data, "allowed": rules})
    stores.reviews.save(approved)
    told = {"comment": comment, "allowed": rules}
    asking.tell(stores, Action.REVIEW_APPROVED, review, actor, now, **told)
    return Answered(approved, _answered(stores, task, actor, now))


def answer(stores: Stores, text: str, said: str, *, actor: str, now: datetime) -> Answered:
    """Answer what an agent has asked. Raises `InvalidInputError` for a review of another kind."""
    review = resolve(stores, text)
    if review.kind is not ReviewKind.QUESTION:
        raise InvalidInputError(
            f"review {review.id} is about a {review.kind}, which takes a yes or a no; use "
            "`abathur review approve` or `abathur review reject`"
        )
    if not said.strip():
        raise InvalidInputError("the answer is empty; say what the agent shall know")
    return approve(stores, review.id, comment=said.strip(), allow=(), actor=actor, now=now)


def _answered(stores: Stores, task: Task, actor: str, now: datetime) -> Task:
    """A task that still runs goes on anyhow, and one that waits for another answer waits on."""
    reviews = stores.reviews.of_task(task.id)
    is_held = task.status is TaskStatus.PENDING and task.not_before is None
    if not is_held or any(one.state is ReviewState.OPEN for one in reviews):
        return task
    return _go_on(stores, task, actor, now)


def _go_on(stores: Stores, task: Task, actor: str, now: datetime) -> Task:
    ready = moved(task, TaskStatus.READY, now)
    return trail.save(stores, Action.TASK_READY, task, ready, actor, now)


def reject(
    stores: Stores, text: str, rejection: Rejection, *, actor: str, now: datetime
) -> Answered:
    """Say no: the task goes to an agent again, which is told why, or is cancelled.

    That is charged neither to the task's retries nor to `retry.max_rework`.
    """
    review, task = _open(stores, text)
    said = {"comment": rejection.comment or None, "decided_at": now, "decided_by": actor}
    rejected = changed(review, state=ReviewState.REJECTED, **said)
    stores.reviews.save(rejected)
    told = {"comment": rejection.comment or None, "cancels": rejection.cancels}
    asking.tell(stores, Action.REVIEW_REJECTED, review, actor, now, **told)
    if rejection.cancels:
        why = f"rejected: {rejection.comment}" if rejection.comment else "rejected"
        return Answered(rejected, cancel(stores, task.id, now=now, actor=actor, reason=why)[0])
    if review.kind is not ReviewKind.LANDING:
        return Answered(rejected, _answered(stores, task, actor, now))
    return Answered(rejected, _hand_back(stores, rejected, task, rejection, actor, now))


def _hand_back(
    stores: Stores, review: Review, task: Task, rejection: Rejection, actor: str, now: datetime
) -> Task:
    detail = f"rejected by {actor.removeprefix('cli:')}: {rejection.comment}"
    landing = stores.landings.get(review.data["landing_id"])
    if landing is None or landing.state is not LandingState.QUEUED:
        raise IllegalTransitionError(
            f"the work of review {review.id} isn't waiting to land any more; look at "
            f"`abathur why {task.id}`"
        )
    facts = _facts(review, rejection)
    if REWRITTEN in review.data:
        # Nor on what was removed from the target: afresh.
        kept = ("comment", "review", "salvage_ref", "target")
        facts = {"kind": REWRITTEN, **{name: facts[name] for name in kept}}
    if "conflict" in review.data:
        # Not on top of its own work, which would conflict again: afresh, knowing both sides.
        facts = {**(landing.facts or {}), "comment": rejection.comment, "review": review.id}
    _end_landing(stores, landing, detail, facts, actor, now)
    again = moved(
        task, TaskStatus.READY, now, rework_count=task.rework_count + 1, error_message=detail
    )
    return trail.save(stores, Action.TASK_HANDED_BACK, task, again, actor, now)


def _facts(review: Review, rejection: Rejection) -> JsonObject:
    """For the next attempt, which starts from the very work that was rejected."""
    return {
        "kind": REJECTION,
        "review": review.id,
        "comment": rejection.comment,
        "target": review.data["target"],
        "onto": review.data["base_commit"],
        "work_commit": review.data["work_commit"],
        "salvage_ref": rejection.salvage_ref,
    }


def _end_landing(
    stores: Stores, landing: Landing, detail: str, facts: JsonObject, actor: str, now: datetime
) -> None:
    ended = changed(
        landing,
        state=LandingState.REJECTED,
        ended_at=now,
        fence=landing.fence + 1,
        detail=detail,
        facts=facts,
    )
    stores.landings.save(ended, landing.fence)
    trail.record(
        stores,
        Action.LANDING_ENDED,
        landing.task_id,
        actor,
        now,
        attempt=landing.attempt,
        state=ended.state,
        target=landing.target,
        merge_commit=None,
        detail=detail,
    )


def is_approved(
    stores: Stores, landing: Landing, tree: str, removed: Sequence[JsonObject] = ()
) -> bool:
    """Whether a person has approved exactly this tree as the work of the landing.

    Knowing that it brings back what is `removed` from the target, where there is anything.
    """
    return any(
        review.kind is ReviewKind.LANDING
        and review.state is ReviewState.APPROVED
        and review.attempt == landing.attempt
        and review.tree == tree
        and (not removed or review.data.get(REWRITTEN) == list(removed))
        for review in stores.reviews.of_task(landing.task_id)
    )


def ask_unless_approved(
    stores: Stores, landing: Landing, wanted: Asking, *, actor: str, now: datetime
) -> Review | None:
    """The question that holds the landing from now on; None when it is approved as it is."""
    assert wanted.tree is not None
    removed = wanted.evidence.get(REWRITTEN, ())
    if is_approved(stores, landing, wanted.tree, removed):
        return None
    for review in stores.reviews.of_task(landing.task_id):
        is_same = review.attempt == landing.attempt and review.tree == wanted.tree
        is_same = is_same and list(review.data.get(REWRITTEN, ())) == list(removed)
        if review.state is ReviewState.OPEN and is_same:
            return review
    return asking.approval(stores, landing, wanted, actor=actor, now=now)
