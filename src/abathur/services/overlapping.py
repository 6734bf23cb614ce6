"""Overlaps that show only when the work is done: two tasks changed the same after all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from abathur.domain.admission import Candidate, Overlap
from abathur.domain.audit import Action
from abathur.domain.landing import Landing
from abathur.ports.stores import Stores
from abathur.services import trail
from abathur.services.claiming import actor_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Others:
    """What else is under way while a landing begins."""

    declared: Sequence[Candidate]
    """Running tasks that say what they will change."""
    landings: Sequence[Landing]
    """Other finished work for the same target."""


def others(stores: Stores, landing: Landing, now: datetime) -> Others:
    """Nobody while no task of the queue declares paths: then nothing is compared at all."""
    if not stores.admission.restrictions(now).has_reservations:
        return Others(declared=(), landings=())
    return Others(
        declared=[
            task
            for task in stores.admission.running()
            if task.touches and task.id != landing.task_id
        ],
        landings=[
            one
            for one in stores.landings.open()
            if one.target == landing.target and one.task_id != landing.task_id
        ],
    )


def add_overlap(stores: Stores, overlap: Overlap, worker_id: str) -> bool:
    """Write it down for both tasks; False when it is known. It blocks nothing."""
    if not stores.admission.add_overlap(overlap):
        return False
    for task_id, other in (
        (overlap.task_id, overlap.other_task_id),
        (overlap.other_task_id, overlap.task_id),
    ):
        trail.record(
            stores,
            Action.OVERLAP_FOUND,
            task_id,
            actor_of(worker_id),
            overlap.found_at,
            with_task=other,
            paths=overlap.paths,
        )
    return True
