"""The trace of a task: what its rows say of it, as spans of time.

One root, `task`, and below it for each attempt `queued`, `claimed` and `run`, for each landing
`landed`, and below that `verified` for each run of a gate. Made from rows alone, whoever does it
makes the same spans with the same ids.

Attributes have the names of OpenTelemetry's semantic conventions where it has them
(https://opentelemetry.io/docs/specs/semconv/): `gen_ai.*` for agents, `vcs.*` for what lands,
`cicd.*` for gates, `error.type`; the others begin with `abathur.`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from abathur.domain.audit import Action, AuditEntry
from abathur.domain.gates import GateRun, Verdict
from abathur.domain.landing import Landing
from abathur.domain.runs import Attempt, OutcomeKind
from abathur.domain.tasks import Task, TaskStatus

Place = tuple[object, ...]
Value = str | int | float | bool

ROOT: Final[Place] = ()
NO_ERROR: Final = frozenset({OutcomeKind.SUCCEEDED, OutcomeKind.CANCELLED, OutcomeKind.RELEASED})
RESULTS: Final[Mapping[Verdict, str]] = {
    Verdict.PASSED: "success",
    Verdict.FLAKY: "success",
    Verdict.FAILED: "failure",
    Verdict.TIMED_OUT: "timeout",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    task_id: str
    name: str
    place: Place
    """Makes its id, together with the task's: see `traces.span_id`."""
    parent: Place | None
    """None for the root."""
    start: datetime
    end: datetime
    attributes: Mapping[str, Value] = field(default_factory=dict)
    error: str | None = None
    """What went wrong, for one that ended badly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """The rows that tell of one task."""

    task: Task
    attempts: Sequence[Attempt]
    landings: Sequence[Landing]
    gate_runs: Sequence[GateRun]
    entries: Sequence[AuditEntry]
    """In order; very old ones may be missing."""


def run_place(attempt: int) -> Place:
    """Of the span to which what an agent traces itself belongs."""
    return ("attempt", attempt, "run")


def spans(story: Story) -> Iterator[Span]:
    """Those that are over, the root last."""
    for attempt in story.attempts:
        yield from _attempt(story, attempt)
    for landing in story.landings:
        yield from _landing(story, landing)
    task = story.task
    if task.status.is_final:
        end = max(task.completed_at or task.last_updated_at, task.submitted_at)
        failed = task.status is TaskStatus.FAILED
        yield Span(
            task_id=task.id,
            name="task",
            place=ROOT,
            parent=None,
            start=task.submitted_at,
            end=end,
            attributes=_given(_of_task(task), **{"error.type": "failed" if failed else None}),
            error=task.error_message or "failed" if failed else None,
        )


def _of_task(task: Task) -> dict[str, Value | None]:
    return {
        "abathur.task.id": task.id,
        "abathur.task.summary": task.summary,
        "abathur.task.status": task.status.value,
        "abathur.task.priority": task.priority,
        "abathur.attempts": task.attempt_count,
        "gen_ai.agent.name": task.agent_type,
        "vcs.ref.base.name": task.feature_branch,
    }


def _attempt(story: Story, attempt: Attempt) -> Iterator[Span]:
    task, number = story.task, attempt.number
    claimed, began = attempt.started_at, _began(story, attempt)
    about: dict[str, Value | None] = {
        "abathur.task.id": task.id,
        "abathur.attempt": number,
        "abathur.worker.id": attempt.worker_id,
    }

    def span(name: str, start: datetime, end: datetime, **more: Value | None) -> Span:
        place = ("attempt", number, name)
        return Span(
            task_id=task.id,
            name=name,
            place=place,
            parent=ROOT,
            start=start,
            end=max(start, end),
            attributes=_given(about, **more),
        )

    yield span("queued", _ready_at(story, attempt), claimed)
    if began is not None:
        yield span("claimed", claimed, began)
    if attempt.ended_at is not None:
        yield _run(attempt, task, about, began or claimed)


def _run(attempt: Attempt, task: Task, about: Mapping[str, Value | None], start: datetime) -> Span:
    outcome, usage = attempt.outcome, attempt.usage
    is_error = outcome is not None and outcome not in NO_ERROR
    kind = attempt.failure_class or outcome
    attributes = _given(
        about,
        **{
            "abathur.outcome": outcome.value if outcome else None,
            "abathur.cost_usd": usage.cost_usd if usage else None,
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": task.agent_type,
            "gen_ai.request.model": attempt.model,
            "gen_ai.conversation.id": attempt.session_id,
            "gen_ai.usage.input_tokens": usage.input_tokens if usage else None,
            "gen_ai.usage.output_tokens": usage.output_tokens if usage else None,
            "abathur.runtime": attempt.runtime,
            "process.exit.code": attempt.exit_code,
            "vcs.ref.head.name": attempt.branch,
            "vcs.ref.head.revision": attempt.head_commit,
            "error.type": kind.value if is_error and kind else None,
        },
    )
    return Span(
        task_id=attempt.task_id,
        name="run",
        place=run_place(attempt.number),
        parent=ROOT,
        start=start,
        end=max(start, attempt.ended_at or start),
        attributes=attributes,
        error=(attempt.error_message or str(kind)) if is_error else None,
    )


def _landing(story: Story, landing: Landing) -> Iterator[Span]:
    place = ("landing", landing.id)
    for run in story.gate_runs:
        if run.landing_id == landing.id:
            yield _gate(landing, run, place)
    if landing.started_at is None or landing.ended_at is None:
        return
    is_error = landing.state.is_final and not landing.state.is_success
    waited = (landing.started_at - landing.requested_at).total_seconds()
    attributes = _given(
        {
            "abathur.task.id": landing.task_id,
            "abathur.attempt": landing.attempt,
            "abathur.worker.id": landing.worker_id,
            "abathur.landing.state": landing.state.value,
            "abathur.landing.strategy": landing.strategy.value,
            "abathur.landing.waited_seconds": max(0.0, waited),
            "vcs.ref.base.name": landing.target,
            "vcs.ref.base.revision": landing.merge_commit,
            "vcs.ref.head.revision": landing.work_commit,
            "error.type": landing.state.value if is_error else None,
        }
    )
    yield Span(
        task_id=landing.task_id,
        name="landed",
        place=place,
        parent=ROOT,
        start=landing.started_at,
        end=max(landing.started_at, landing.ended_at),
        attributes=attributes,
        error=(landing.detail or landing.state.value) if is_error else None,
    )


def _gate(landing: Landing, run: GateRun, parent: Place) -> Span:
    attributes = _given(
        {
            "abathur.task.id": landing.task_id,
            "abathur.attempt": landing.attempt,
            "abathur.gate.verdict": run.verdict.value,
            "abathur.batch_size": run.batch_size,
            "cicd.pipeline.task.name": run.gate,
            "cicd.pipeline.task.run.result": RESULTS[run.verdict],
            "process.exit.code": run.exit_code,
            "error.type": None if run.verdict.is_pass else run.verdict.value,
        }
    )
    return Span(
        task_id=landing.task_id,
        name="verified",
        place=("gate", landing.id, run.gate, run.started_at.isoformat()),
        parent=parent,
        start=run.started_at,
        end=max(run.started_at, run.ended_at),
        attributes=attributes,
        error=None if run.verdict.is_pass else f"gate {run.gate} {run.verdict}",
    )


def _ready_at(story: Story, attempt: Attempt) -> datetime:
    """From when on it could have been claimed, as far as is known."""
    claimed = attempt.started_at
    known = [
        one.timestamp for one in story.entries if _made_ready(one) and one.timestamp <= claimed
    ]
    ended = [one.ended_at for one in story.attempts if one.number < attempt.number and one.ended_at]
    return min(claimed, max([story.task.submitted_at, *ended, *known[-1:]]))


def _made_ready(entry: AuditEntry) -> bool:
    status = entry.action_data.get("status")
    return status == TaskStatus.READY or (
        isinstance(status, Sequence) and list(status)[-1:] == [TaskStatus.READY]
    )


def _began(story: Story, attempt: Attempt) -> datetime | None:
    """When its place was chosen and its agent about to be started."""
    found = (
        one.timestamp
        for one in story.entries
        if one.action_type is Action.ATTEMPT_STARTED and one.timestamp >= attempt.started_at
    )
    began = next(found, None)
    if began is None or (attempt.ended_at is not None and began > attempt.ended_at):
        return None
    return began


def _given(known: Mapping[str, Value | None], **more: Value | None) -> dict[str, Value]:
    return {name: value for name, value in {**known, **more}.items() if value is not None}
