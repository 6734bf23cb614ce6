"""The documented JSON shapes: plain dicts whose keys are those of `shape_fields`, in that order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from abathur.cli import shape_fields as fields
from abathur.cli import shape_fields_money as money_fields
from abathur.cli import shape_fields_person as person_fields
from abathur.cli import shape_fields_schedule as schedule_fields
from abathur.cli import shape_fields_swarm as swarm_fields
from abathur.cli.shape_fields_database import Fields
from abathur.cli.text import iso

if TYPE_CHECKING:
    from abathur.domain.admission import Hold
    from abathur.domain.audit import AuditEntry
    from abathur.domain.explain import Explanation
    from abathur.domain.gates import GateRun
    from abathur.domain.landing import Landing, Proof
    from abathur.domain.legacy import LegacyRow
    from abathur.domain.pools import Pool
    from abathur.domain.reviews import Review
    from abathur.domain.runs import Attempt, RunEvent, Usage
    from abathur.domain.schedules import Schedule
    from abathur.domain.tasks import Task
    from abathur.ports.repository import ChangedFile
    from abathur.services.accounting import CostReport
    from abathur.services.queue_facts import QueueFacts
    from abathur.services.reading import ExecutionPlan, TaskDetail
    from abathur.services.submitting import Submitted
    from abathur.services.verifying import Verification
    from abathur.swarm.events import SwarmEvent
    from abathur.swarm.salvaging import RestoredWork, Salvaged

Json = dict[str, Any]


def pick(shape: Fields, thing: object, **instead: Any) -> Json:
    """The thing's attributes with the shape's names; `instead` are made by the caller."""
    return {
        name: instead[name] if name in instead else _plain(getattr(thing, name)) for name in shape
    }


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return dict(value) if isinstance(value, Mapping) else value


def task(value: Task) -> Json:
    return pick(fields.TASK, value)


def submitted(value: Submitted) -> Json:
    return pick(fields.SUBMITTED, value, task=task(value.task))


def usage(value: Usage | None) -> Json | None:
    return pick(fields.USAGE, value) if value else None


def attempt(value: Attempt) -> Json:
    result = pick(fields.RESULT, value.result) if value.result else None
    return pick(fields.ATTEMPT, value, usage=usage(value.usage), result=result)


def proof(value: Proof | None) -> Json | None:
    return pick(fields.PROOF, value) if value else None


def landing(value: Landing) -> Json:
    return pick(fields.LANDING, value, proof=proof(value.proof))


def gate_run(value: GateRun) -> Json:
    return pick(fields.GATE_RUN, value)


def detail(value: TaskDetail, loop: Json | None) -> Json:
    return pick(
        fields.DETAIL,
        value,
        task=task(value.task),
        prerequisites=[task(other) for other in value.prerequisites],
        dependents=[task(other) for other in value.dependents],
        attempts=[attempt(one) for one in value.attempts],
        landings=[landing(one) for one in value.landings],
        gate_runs=[gate_run(one) for one in value.gate_runs],
        overlaps=[pick(fields.OVERLAP, one) for one in value.overlaps],
        loop=loop,
        progress=value.progress.action_data["note"] if value.progress else None,
        late_reports=[pick(fields.LATE_REPORT, one) for one in value.late_reports],
    )


def explanation(about: Task, value: Explanation) -> Json:
    return pick(fields.EXPLANATION, value, task_id=about.id, status=about.status)


def event(task_id: str, number: int, seq: int, at: datetime, value: RunEvent) -> Json:
    return pick(fields.EVENT, value, task_id=task_id, attempt=number, seq=seq, at=iso(at))


def diff(value: Attempt, base: str, head: str, patch: str) -> Json:
    return pick(
        fields.DIFF, value, attempt=value.number, base_commit=base, head_commit=head, patch=patch
    )


def execution_plan(value: ExecutionPlan) -> Json:
    return pick(fields.EXECUTION_PLAN, value, tasks=[task(one) for one in value.tasks.values()])


def audit_entry(value: AuditEntry) -> Json:
    return pick(fields.AUDIT_ENTRY, value)


def verification(value: Verification) -> Json:
    breaks = [
        pick(fields.BREAK, one, task_id=one.task_id or None, message=str(one))
        for one in value.breaks
    ]
    anchor = str(value.anchor) if value.anchor else None
    return pick(fields.VERIFICATION, value, ok=not breaks, breaks=breaks, anchor=anchor)


def review(value: Review) -> Json:
    return pick(person_fields.REVIEW, value)


def changed_file(value: ChangedFile) -> Json:
    return pick(person_fields.CHANGED_FILE, value)


def review_detail(
    value: Review, about: Task, files: Sequence[ChangedFile], target_moved: bool
) -> Json:
    return {
        "review": review(value),
        "task": task(about),
        "files": [changed_file(one) for one in files],
        "target_moved": target_moved,
    }


def salvaged(value: Salvaged) -> Json:
    return pick(person_fields.SALVAGED, value)


def restored_work(value: RestoredWork) -> Json:
    worktree = str(value.worktree) if value.worktree else None
    return pick(person_fields.RESTORED_WORK, value, worktree=worktree)


def legacy_row(value: LegacyRow) -> Json:
    return pick(swarm_fields.LEGACY_ROW, value)


def hold(value: Hold) -> Json:
    return pick(swarm_fields.HOLD, value)


def pool(value: Pool) -> Json:
    return pick(swarm_fields.POOL, value)


def cost_report(value: CostReport) -> Json:
    totals = money_fields.COST_TOTAL
    return pick(
        money_fields.COSTS,
        value,
        by=value.by.value,
        groups=[pick(totals, one) for one in value.groups],
        total=pick(totals, value.total),
        rules=[{"rule": rule, "attempts": number} for rule, number in value.rules],
    )


def schedule(value: Schedule, next_times: Sequence[datetime]) -> Json:
    return pick(schedule_fields.SCHEDULE, value, next_times=[iso(time) for time in next_times])


def queue(value: QueueFacts) -> Json:
    return pick(
        swarm_fields.QUEUE,
        value,
        holds=[hold(one) for one in value.holds],
        refused=[pick(swarm_fields.REFUSED, one) for one in value.refused],
        held_landings=[landing(one) for one in value.held_landings],
        next_schedule=value.next_schedule.name if value.next_schedule else None,
        next_schedule_at=_plain(value.next_schedule.next_at) if value.next_schedule else None,
    )


def swarm_event(value: SwarmEvent) -> Json:
    return pick(swarm_fields.SWARM_EVENT, value, kind=value.kind.value)
