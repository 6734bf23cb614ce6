"""`abathur task show`: all about one task, for reading."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from abathur.cli import context, output, shapes
from abathur.cli.context import json_option
from abathur.cli.loop_shapes import loop_shape, winner
from abathur.cli.loop_view import line_of, unread
from abathur.cli.output import paint, status_colour
from abathur.cli.task.ids import id_argument
from abathur.cli.text import clean, clean_block, length, local, pad, short

if TYPE_CHECKING:
    from abathur.domain.admission import Overlap
    from abathur.domain.gates import GateRun
    from abathur.domain.landing import Landing
    from abathur.domain.runs import Attempt, LateReport
    from abathur.domain.tasks import Task
    from abathur.services.reading import TaskDetail

LABEL = 14


@click.command()
@id_argument()
@json_option
def show(task_id: str, as_json: bool) -> None:
    """Show all about one task: what it is, what it waits for, its attempts and landings."""
    from abathur.services.reading import task_detail

    now = context.now()
    found = context.read(task_detail, task_id, now)
    if as_json:
        loop = loop_shape(found.loop) if found.loop else None
        output.write_json(shapes.detail(found, loop))
    else:
        output.write_lines(list(_lines(found, now)))


def _lines(found: TaskDetail, now: datetime) -> Iterator[str]:
    task = found.task
    yield paint(clean(task.summary), "bold")
    for name, value in _facts(found, now):
        if value:
            colour = status_colour(task.status.value) if name == "status" else None
            yield paint(pad(name, LABEL), "dim") + paint(clean(value), colour)
    yield from _block("prompt", clean_block(task.prompt.strip("\n")))
    for title, data in (("input", task.input_data), ("result", task.result_data)):
        if data:
            yield from _block(title, _pretty(data))
    yield from _block("waits for", [_line(other) for other in found.prerequisites])
    yield from _block("waited for by", [_line(other) for other in found.dependents])
    yield from _block("attempts", [_attempt(one, now) for one in found.attempts])
    yield from _block(*_loop(found))
    yield from _block("late reports", [_late_report(one, now) for one in found.late_reports])
    yield from _block("landings", [_landing(one) for one in found.landings])
    yield from _block("gates", [_gate_run(run, found) for run in found.gate_runs])
    yield from _block("overlaps", [_overlap(one, task) for one in found.overlaps])


def _block(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield ""
        yield paint(title, "dim")
        yield from (f"  {line}" for line in lines)


def _facts(found: TaskDetail, now: datetime) -> Iterator[tuple[str, str]]:
    task = found.task
    yield "id", task.id
    yield "status", task.status.value
    yield "error", task.error_message or ""
    yield "target", task.feature_branch or ""
    yield "agent type", task.agent_type
    yield "priority", f"{task.priority} (at present {found.calculated_priority:.2f})"
    yield "source", task.source.value
    yield "submitted", f"{_when(task.submitted_at, now)} by {task.created_by or 'unknown'}"
    yield "not before", _when(task.not_before, now)
    yield "deadline", _when(task.deadline, now)
    yield "started", _when(task.started_at, now)
    yield "ended", _when(task.completed_at, now)
    yield "progress", _progress(found, now)
    yield "estimate", length(task.estimated_duration_seconds).strip("-")
    yield "timeout", length(task.max_execution_timeout_seconds)
    yield "touches", ", ".join(found.touches)
    yield "may overlap", "yes" if found.may_overlap else ""
    yield "retries", f"{task.retry_count} of {task.max_retries} spent"
    yield "parent", task.parent_task_id or ""
    if task.worktree_path and Path(task.worktree_path).is_dir():  # both are removed together
        yield "branch", task.task_branch or ""
        yield "worktree", task.worktree_path
    yield "cancelled by", task.cancelled_by or ""
    yield "key", task.idempotency_key or ""


def _progress(found: TaskDetail, now: datetime) -> str:
    """What its agent said last."""
    if found.progress is None:
        return ""
    said = found.progress.action_data
    percent = f"{said['percent']:g} %: " if "percent" in said else ""
    ago = length((now - found.progress.timestamp).total_seconds())
    return f"{percent}{said['note']} (attempt {said['attempt']}, {ago} ago)"


def _when(time: datetime | None, now: datetime) -> str:
    if time is None:
        return ""
    seconds = (now - time).total_seconds()
    distance = f"{length(seconds)} ago" if seconds >= 0 else f"in {length(-seconds)}"
    return f"{local(time)} ({distance})"


def _pretty(data: Any) -> list[str]:
    text = json.dumps(data, indent=2, ensure_ascii=not output.has_unicode(), default=output.plain)
    return clean_block(text)


def _line(task: Task) -> str:
    status = paint(pad(task.status.value, 9), status_colour(task.status.value))
    return f"{short(task.id)}  {status}  {clean(task.summary)}"


def _attempt(attempt: Attempt, now: datetime) -> str:
    ended = attempt.ended_at or now
    took = length((ended - attempt.started_at).total_seconds())
    outcome = attempt.outcome.value if attempt.outcome else "running"
    if attempt.failure_class is not None:
        outcome += f" ({attempt.failure_class.value.replace('_', ' ')})"
    parts = [f"{attempt.number}  {outcome}", f"after {took}" if attempt.ended_at else f"for {took}"]
    runtime = f"runtime {attempt.runtime}" if attempt.runtime else ""
    cost = attempt.usage.cost_usd if attempt.usage else None
    if attempt.model_choice is not None:
        runtime += f" with {attempt.model} ({attempt.model_choice})"
    parts += [runtime, "" if cost is None else f"${cost:.2f}"]
    parts += [_result(attempt), f"kept as {attempt.salvage_ref}" if attempt.salvage_ref else ""]
    message = f": {attempt.error_message}" if attempt.error_message else ""
    return clean(", ".join(part for part in parts if part) + message)


def _loop(found: TaskDetail) -> tuple[str, list[str]]:
    loop = found.loop
    if loop is None:
        return "loop", []
    title = "candidates" if loop.spec.candidates else "loop"
    chosen = winner(loop)
    lines = [
        f"{one.number}  {clean(one.reading.text) if one.reading else unread(loop, 'measured')}"
        f"{', chosen' if one.number == chosen else ''}"
        for one in loop.iterations
    ]
    return title, [line_of(loop), *lines]


def _result(attempt: Attempt) -> str:
    """What the agent says about itself, where that isn't plain success."""
    result = attempt.result
    if result is None:
        return ""
    if result.problem:
        return f"its result is invalid ({result.problem})"
    status = result.status
    return "" if status is None or status.value == "SUCCESS" else f"reports {status.value}"


def _landing(landing: Landing) -> str:
    merge = f" by {landing.strategy} {landing.merge_commit[:12]}" if landing.merge_commit else ""
    detail = f": {landing.detail}" if landing.detail else ""
    return clean(
        f"attempt {landing.attempt}  {landing.state.value}, work {landing.work_commit[:12]} "
        f"on {landing.target}{merge}{detail}"
    )


def _gate_run(run: GateRun, found: TaskDetail) -> str:
    attempt = next(one.attempt for one in found.landings if one.id == run.landing_id)
    took = length((run.ended_at - run.started_at).total_seconds())
    others = f" with {run.batch_size - 1} more" if run.batch_size > 1 else ""
    how = {"flaky": "flaky: failed, then passed", "timed_out": "timed out"}
    verdict = how.get(run.verdict.value, run.verdict.value)
    log = f": {run.log_path}" if not run.verdict.is_pass and run.log_path else ""
    return clean(
        f"attempt {attempt}  {run.gate} {verdict} after {took} on tree {run.tree[:12]}{others}{log}"
    )


def _overlap(overlap: Overlap, task: Task) -> str:
    mine = overlap.task_id == task.id
    other = overlap.other_task_id if mine else overlap.task_id
    return clean(f"with {short(other)}, in {', '.join(overlap.paths)}")


def _late_report(late: LateReport, now: datetime) -> str:
    outcome = late.report.get("outcome") or {}
    message = f": {outcome['message']}" if outcome.get("message") else ""
    return clean(
        f"{late.attempt}  {outcome.get('kind', 'unknown')}, came {_when(late.received_at, now)} "
        f"when the lease was lost; kept, not applied{message}"
    )
