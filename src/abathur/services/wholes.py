"""A task that was split ends and comes back together with its parts. Parts of use cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from abathur.domain.tasks import Task, TaskStatus
from abathur.ports.stores import Stores
from abathur.services import splitting


@dataclass(frozen=True, slots=True)
class Members:
    """What a task waits for as its parts, before it comes back."""

    taken_along: Sequence[Task]
    """Those that its own cancelling had cancelled."""
    lost: Sequence[Task]
    """Those that have ended badly by themselves."""


def open_parts(stores: Stores, whole: Task) -> Sequence[Task]:
    """The tasks that it waits for because it was split into them."""
    if stores.loops.get(whole.id) is None:
        return ()
    return [one for one in stores.graph.unmet(whole.id) if one.parent_task_id == whole.id]


def unneeded(stores: Stores, parts: Sequence[Task]) -> Sequence[Task]:
    """Those that may end with their whole, once that and what waits for it have ended.

    Not the ones that anything else waits for, at any distance, nor any that is being merged: it
    may be in the target already.
    """
    own = {one.id for one in parts}
    return [
        one
        for one in parts
        if not one.status.is_final
        and not _is_awaited(stores, one, own)
        and not is_being_merged(stores, one)
    ]


def _is_awaited(stores: Stores, part: Task, own: set[str]) -> bool:
    later = splitting.waiting_for(stores, part.id) - own
    return any(not one.status.is_final for one in stores.tasks.get_many(sorted(later)))


def is_being_merged(stores: Stores, task: Task) -> bool:
    if task.status is not TaskStatus.RUNNING:
        return False
    landings = stores.landings.of_task(task.id)
    return any(one.merge_commit and not one.state.is_final for one in landings)


def members(stores: Stores, whole: Task) -> Members:
    dead = [one for one in open_parts(stores, whole) if one.status in splitting.ENDED_BADLY]
    return Members(
        taken_along=[one for one in dead if one.cancelled_by == whole.id],
        lost=[one for one in dead if one.cancelled_by != whole.id],
    )
