"""What an agent at work says of how far it is, and what it asks."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from abathur.domain.audit import Action
from abathur.domain.delegation import RunKey
from abathur.domain.errors import RefusedError
from abathur.domain.masking import masked
from abathur.domain.reviews import Review
from abathur.ports.stores import Stores
from abathur.services import asking, delegating, trail

MOST_NOTES: Final = 200
"""Of one attempt."""
_LOOKED_AT: Final = 300


def note_progress(
    stores: Stores, run: RunKey, note: str, percent: float | None, *, actor: str, now: datetime
) -> int:
    """Keep the note in the trail of the run's task; how many more may follow.

    Raises `RefusedError` when the run is over or has said enough.
    """
    task = delegating.standing(stores, run, now)
    before: int = sum(
        entry.action_type is Action.PROGRESS_NOTED
        and entry.action_data.get("attempt") == run.attempt
        for entry in stores.audit.of_task(task.id, _LOOKED_AT)
    )
    if before >= MOST_NOTES:
        raise RefusedError(
            f"this attempt has told its progress {before} times, which is enough; go on without,"
            " and report the result at the end"
        )
    told = {} if percent is None else {"percent": percent}
    note = masked(" ".join(note.split()))
    trail.record(
        stores,
        Action.PROGRESS_NOTED,
        task.id,
        actor,
        now,
        attempt=run.attempt,
        note=note,
        **told,
    )
    return MOST_NOTES - before - 1


def ask_person(
    stores: Stores,
    run: RunKey,
    text: str,
    context: str,
    *,
    review_id: str,
    now: datetime,
    actor: str,
) -> Review:
    """The question of the run, which is asked once. Raises `RefusedError`."""
    task = delegating.standing(stores, run, now)
    return asking.question(stores, task, text, context, review_id, actor=actor, now=now)
