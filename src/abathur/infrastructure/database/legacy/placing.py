"""From drafts and edges to whole tasks: status, counts, depth and rank by the domain's rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from abathur.domain import graph
from abathur.domain.priority import Position, rank
from abathur.domain.tasks import Task, TaskStatus
from abathur.infrastructure.database.legacy.edges import Links
from abathur.infrastructure.database.legacy.tasks import Draft, Was

ENDS: Final = {
    Was.COMPLETED: TaskStatus.COMPLETED,
    Was.FAILED: TaskStatus.FAILED,
    Was.CANCELLED: TaskStatus.CANCELLED,
}


def place(drafts: Mapping[str, Draft], links: Links) -> dict[str, Task]:
    """The tasks by id. The graph has no cycles, and every edge joins two of the tasks."""
    depths = graph.depths({draft.id: draft.waits_for for draft in drafts.values()})
    _cancel_dead_ends(drafts, depths)
    blocking = dict.fromkeys(drafts, 0)
    for prerequisite, dependent in links:
        blocking[prerequisite] += not drafts[dependent].is_final
    return {
        draft.id: _task(draft, drafts, depths[draft.id], blocking[draft.id])
        for draft in drafts.values()
    }


def _cancel_dead_ends(drafts: Mapping[str, Draft], depths: Mapping[str, int]) -> None:
    """What waits for a failed or cancelled task would wait for ever; retrying that frees it."""
    for draft in sorted(drafts.values(), key=lambda draft: depths[draft.id]):
        dead = [each for each in draft.waits_for if drafts[each].was in (Was.FAILED, Was.CANCELLED)]
        if draft.is_final or not dead:
            continue
        root = drafts[dead[0]].cancelled_by or dead[0]
        draft.was, draft.cancelled_by = Was.CANCELLED, root
        draft.fields["completed_at"] = draft.fields["last_updated_at"]
        if draft.fields["error_message"] is None:
            draft.fields["error_message"] = f"cancelled because task {root} failed or was cancelled"


def _task(draft: Draft, drafts: Mapping[str, Draft], depth: int, blocking: int) -> Task:
    unmet = sum(drafts[each].was is not Was.COMPLETED for each in draft.waits_for)
    # A time to wait for was unknown to older versions, so nothing is pending.
    waiting = TaskStatus.BLOCKED if unmet else TaskStatus.READY
    status = ENDS.get(draft.was, waiting)
    _note_changes(draft, status, depth)
    fields = draft.fields
    position = Position(
        priority=fields["priority"], depth=depth, blocking=blocking, source=fields["source"]
    )
    return Task(
        id=draft.id,
        status=status,
        dependency_depth=depth,
        unmet_count=unmet,
        rank=rank(
            position,
            fields["submitted_at"],
            fields["deadline"],
            fields["estimated_duration_seconds"],
        ),
        not_before=None,
        fence=0,
        worker_id=None,
        lease_until=None,
        attempt_count=0,
        rework_count=0,
        lost_count=0,
        cancelled_by=draft.cancelled_by,
        prerequisites=tuple(draft.waits_for),
        **fields,
    )


def _note_changes(draft: Draft, status: TaskStatus, depth: int) -> None:
    for name, value in (("status", status.value), ("dependency_depth", depth)):
        _, given = draft.taking.first(name)
        if given is not None and given != value:
            draft.taking.changed(name)
