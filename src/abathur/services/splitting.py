"""The parts of a task that was too big for one run: which there are, and if they were asked for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from abathur.domain.iterations import Iteration
from abathur.domain.runs import OutcomeKind
from abathur.domain.tasks import Task, TaskStatus
from abathur.ports.stores import Stores

ENDED_BADLY = frozenset({TaskStatus.FAILED, TaskStatus.CANCELLED})


def parts(stores: Stores, task_id: str, since: datetime | None) -> Sequence[Task]:
    """Those that were added below the task since then and haven't ended badly.

    Without any that waits for the task itself, as what follows on it would.
    """
    added = _added(stores, task_id, since)
    return [one for one in added if one.status not in ENDED_BADLY]


def given_up(stores: Stores, task_id: str, since: datetime | None) -> Sequence[Task]:
    """Those that have ended badly."""
    return [one for one in _added(stores, task_id, since) if one.status in ENDED_BADLY]


def _added(stores: Stores, task_id: str, since: datetime | None) -> Sequence[Task]:
    ids = stores.overview.children([task_id], 1000)
    found = stores.tasks.get_many(ids) if ids else ()
    new = [one for one in found if since is None or one.submitted_at >= since]
    later = waiting_for(stores, task_id) if new else set()
    return [one for one in new if one.id not in later]


def waiting_for(stores: Stores, task_id: str) -> set[str]:
    """Everything that waits for the task, at any distance."""
    seen = {task_id}
    open_ids = [task_id]
    while open_ids:
        for one in stores.graph.dependents(open_ids.pop()):
            if one.id not in seen:
                seen.add(one.id)
                open_ids.append(one.id)
    return seen


def is_asked(stores: Stores, task: Task, newest: Iteration) -> bool:
    """Whether an agent was asked for parts since that iteration."""
    return any(
        one.number > newest.attempt and one.outcome is OutcomeKind.SUCCEEDED
        for one in stores.attempts.of_task(task.id)
    )
