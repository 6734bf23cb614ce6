"""What is told of an attempt's end."""

from __future__ import annotations

from abathur.domain.failures import ASKING
from abathur.domain.runs import Outcome
from abathur.domain.tasks import Task, TaskStatus
from abathur.swarm.events import SwarmEventKind
from abathur.swarm.state import State


def tell_end(
    state: State, number: int, outcome: Outcome, task: Task, told: str | None = None
) -> None:
    """`told` is what a loop says instead of when the task is tried again."""
    text = outcome.message or task.error_message or outcome.kind.value
    state.tell(SwarmEventKind.ATTEMPT_ENDED, text, task=task, attempt=number)
    if task.status is TaskStatus.FAILED:
        state.tally.failed += 1
        state.tell(SwarmEventKind.TASK_FAILED, text, task=task, attempt=number)
    elif task.status in {TaskStatus.PENDING, TaskStatus.READY} and not _is_asked(task):
        when = f" at {task.not_before:%H:%M:%S}" if task.not_before else ""
        is_held = outcome.failure in ASKING and not outcome.is_guess and not task.not_before
        text = told or ("waits for a person" if is_held else f"will be tried again{when}")
        state.tell(SwarmEventKind.TASK_WAITS, text, task=task, attempt=number)


def _is_asked(task: Task) -> bool:
    """It waits for an answer and for no time."""
    return task.status is TaskStatus.PENDING and task.not_before is None
