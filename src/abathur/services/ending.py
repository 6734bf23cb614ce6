"""The rows that the end of a run leads to, made of those before it."""

from __future__ import annotations

from datetime import datetime

from abathur.domain.landing import Landing, LandingState, Strategy
from abathur.domain.records import changed, made
from abathur.domain.runs import Attempt, Outcome
from abathur.domain.tasks import JsonObject, Task


def ended(attempt: Attempt, outcome: Outcome, head_commit: str | None, now: datetime) -> Attempt:
    return changed(
        attempt,
        ended_at=now,
        outcome=outcome.kind,
        exit_code=outcome.exit_code,
        error_message=outcome.message or None,
        usage=outcome.usage,
        head_commit=head_commit or attempt.head_commit,
        failure_class=outcome.failure,
        result=outcome.result or attempt.result,
    )


def queued_landing(
    task: Task, landing_id: str, target: str, base_commit: str, work_commit: str, now: datetime
) -> Landing:
    """Of the task's newest attempt."""
    # As a whole: naming the fields to a constructor takes twice as long.
    fields: dict[str, object] = {
        "id": landing_id,
        "task_id": task.id,
        "attempt": task.attempt_count,
        "target": target,
        "base_commit": base_commit,
        "work_commit": work_commit,
        "state": LandingState.QUEUED,
        "rank": task.rank,
        "worker_id": None,
        "lease_until": None,
        "fence": 0,
        "requested_at": now,
        "started_at": None,
        "ended_at": None,
        "target_before": None,
        "merge_commit": None,
        "verify_log": None,
        "detail": None,
        "proof": None,
        "facts": None,
        "strategy": Strategy.MERGE,
        "onto": None,
        "batch": None,
    }
    return made(Landing, fields)


def awaiting_landing(task: Task, result_data: JsonObject | None, now: datetime) -> Task:
    """From here on the landing carries the task; no worker needs to hold it."""
    return changed(
        task,
        worker_id=None,
        lease_until=None,
        fence=task.fence + 1,
        result_data=result_data,
        lost_count=0,
        last_updated_at=now,
    )
