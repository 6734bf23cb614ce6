"""Tells, before work lands, what of it others that are under way declared or changed too."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from abathur.domain.admission import Overlap
from abathur.domain.errors import AbathurError
from abathur.domain.landing import Landing
from abathur.domain.patterns import fits
from abathur.domain.wording import count
from abathur.services import overlapping
from abathur.services.overlapping import Others
from abathur.swarm.events import SwarmEventKind
from abathur.swarm.parts import Parts
from abathur.swarm.state import State

MAX_LANDINGS: Final = 50
MAX_PATHS: Final = 5000
KEPT_PATHS: Final = 20


async def tell(parts: Parts, state: State, landing: Landing) -> None:
    """Find, write down and show the overlaps of work that is about to land. Never raises ours."""
    try:
        there = await parts.db.read(overlapping.others, landing, parts.clock.now())
        if there.declared or there.landings:
            for other, paths in (await _found(parts, landing, there)).items():
                await _tell_one(parts, state, landing, other, sorted(paths))
    except AbathurError as error:
        state.warn(f"overlaps with other tasks aren't known: {error}")


async def _found(parts: Parts, landing: Landing, there: Others) -> dict[str, set[str]]:
    """Other task -> the paths in common."""
    mine = set(await _changed(parts, landing))
    found: dict[str, set[str]] = {}
    for task in there.declared:
        same = {path for path in mine if any(fits(pattern, path) for pattern in task.touches)}
        found.setdefault(task.id, set()).update(same)
    for other in there.landings[:MAX_LANDINGS]:
        found.setdefault(other.task_id, set()).update(mine & set(await _changed(parts, other)))
    return {other: paths for other, paths in found.items() if paths}


async def _changed(parts: Parts, landing: Landing) -> Collection[str]:
    paths = await parts.repository.changed_paths(landing.base_commit, landing.work_commit)
    return paths[:MAX_PATHS]


async def _tell_one(
    parts: Parts, state: State, landing: Landing, other: str, paths: list[str]
) -> None:
    overlap = Overlap(
        task_id=landing.task_id,
        attempt=landing.attempt,
        other_task_id=other,
        paths=tuple(paths[:KEPT_PATHS]),
        found_at=parts.clock.now(),
    )
    if not await parts.db.write(overlapping.add_overlap, overlap, state.worker_id):
        return
    task = await parts.db.read(lambda stores: stores.tasks.get(landing.task_id))
    more = f" and {count(len(paths) - 1, 'more path')}" if len(paths) > 1 else ""
    state.tell(
        SwarmEventKind.OVERLAP_FOUND,
        f"task {other} works on {paths[0]}{more} too",
        task=task,
        attempt=landing.attempt,
        data={"with_task": other, "paths": list(overlap.paths)},
    )
