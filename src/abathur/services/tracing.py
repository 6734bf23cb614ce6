"""Reading what the trace of a task is made of."""

from __future__ import annotations

from collections.abc import Sequence

from abathur.domain.spans import Span, Story, spans
from abathur.ports.stores import Stores

MAX_ENTRIES = 5000


def trace(stores: Stores, task_id: str) -> Sequence[Span]:
    """The spans of the task that are over; none when there is no such task."""
    task = stores.tasks.get(task_id)
    if task is None:
        return ()
    story = Story(
        task=task,
        attempts=stores.attempts.of_task(task_id),
        landings=stores.landings.of_task(task_id),
        gate_runs=stores.gates.of_task(task_id),
        entries=stores.audit.of_task(task_id, MAX_ENTRIES),
    )
    return tuple(spans(story))
