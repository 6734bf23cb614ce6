"""What a person does to a queue by commands while no swarm runs: answers, and takes work out."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Final

from abathur.domain.reviews import Review
from abathur.services import reviewing
from abathur.swarm import salvaging
from abathur.swarm.answering import reject
from abathur.swarm.parts import Parts

ACTOR: Final = "chaos"
PREFIX: Final = "restored/"
"""Of the branches that are made of kept work."""


def place_of(root: Path) -> Path:
    """Where worktrees of restored branches are."""
    return root.parent / "restored"


async def act(parts: Parts) -> None:
    """Answer every open question, with no and yes by turns, then restore the newest kept work."""
    asked = await parts.db.read(lambda stores: stores.reviews.open())
    for number, review in enumerate(asked):
        await _answer(parts, review, parts.clock.now(), says_yes=number % 2 == 1)
    kept = await salvaging.find(parts.db, parts.repository)
    if kept:
        name = f"{PREFIX}{parts.new_id()}"
        place = place_of(parts.repository.root) / name.removeprefix(PREFIX)
        await salvaging.restore(parts.repository, kept[-1], name, place)


async def _answer(parts: Parts, review: Review, now: datetime, *, says_yes: bool) -> None:
    if says_yes:
        await parts.db.write(
            reviewing.approve, review.id, comment=None, allow=(), actor=ACTOR, now=now
        )
        return
    await reject(
        parts.db,
        parts.repository,
        review.id,
        comment="do it in another way",
        cancels=False,
        actor=ACTOR,
        now=now,
    )
