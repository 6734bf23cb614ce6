"""Rejecting work: kept first, then the word is written down."""

from __future__ import annotations

from datetime import datetime

from abathur.domain.reviews import ReviewKind, ReviewState
from abathur.ports.repository import Repository
from abathur.ports.stores import UnitOfWork
from abathur.services import reviewing, running
from abathur.services.reviewing import Answered, Rejection


async def reject(
    db: UnitOfWork,
    repository: Repository,
    text: str,
    *,
    comment: str,
    cancels: bool,
    actor: str,
    now: datetime,
) -> Answered:
    """Answer the review with no. The work of a landing is at a salvage ref before that, unless
    the repository no longer has it.

    Raises what `reviewing.reject` raises, and `GitError`.
    """
    review = await db.read(reviewing.resolve, text)
    ref: str | None = None
    if review.kind is ReviewKind.LANDING and review.state is ReviewState.OPEN:
        commit = review.data["work_commit"]
        if await repository.resolve(commit) is not None:
            ref = await repository.salvage(review.task_id, review.attempt, commit)
            await db.write(running.add_salvage, review.task_id, review.attempt, ref, commit, now)
    rejection = Rejection(comment, ref, cancels)
    return await db.write(reviewing.reject, review.id, rejection, actor=actor, now=now)
