"""The result of a running attempt, as its agent reports it by a call."""

from __future__ import annotations

from datetime import datetime

from abathur.domain.audit import Action
from abathur.domain.errors import NotFoundError, RefusedError
from abathur.domain.records import changed
from abathur.domain.results import ResultCheck, ResultOrigin, SchemaCheck, TaskResult, checked
from abathur.domain.tasks import JsonObject, TaskStatus
from abathur.ports.stores import Stores
from abathur.services import trail


def report_result(
    stores: Stores,
    /,
    task_id: str,
    content: JsonObject,
    *,
    attempt: int | None = None,
    schema: SchemaCheck | None = None,
    actor: str,
    now: datetime,
) -> TaskResult:
    """Keep the result until the run ends; a later report takes the place of an earlier one.

    One that is invalid is kept too, and told by its `problem`, but never in place of a valid one.
    It decides nothing before the run has ended. `attempt` is the run that the caller is; None takes
    the newest. Raises `NotFoundError`, `RefusedError` when that run isn't going on, and
    `InvalidInputError` when the result is too long.
    """
    task = stores.tasks.get(task_id)
    number = attempt if attempt is not None else (task.attempt_count if task else 0)
    found = stores.attempts.get(task_id, number)
    if task is None or found is None:
        raise NotFoundError(f"no attempt {number} of a task {task_id} is known")
    is_current = task.status is TaskStatus.RUNNING and (
        number == task.attempt_count or found.fence == task.fence
    )
    if not is_current or found.ended_at is not None:
        raise RefusedError(
            f"attempt {number} of task {task_id} isn't running; "
            "only the agent that works on a task reports its result"
        )
    given = checked(content, ResultOrigin.TOOL, schema)
    if given.check is ResultCheck.INVALID and _is_good(found.result):
        return given
    stores.attempts.save(changed(found, result=given), found)
    trail.record(
        stores,
        Action.RESULT_REPORTED,
        task_id,
        actor,
        now,
        attempt=number,
        execution_status=given.status,
        check=given.check,
    )
    return given


def _is_good(result: TaskResult | None) -> bool:
    return result is not None and result.check is not ResultCheck.INVALID
