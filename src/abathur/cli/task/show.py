"""`abathur task show`: all about one task, for reading."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from abathur.cli import context, output, shapes
from abathur.cli.context import json_option
from abathur.cli.loop_shapes import loop_shape, winner
from abathur.cli.loop_view import line_of, unread
from abathur.cli.task.facts import block, facts, line, pretty, told, when
from abathur.cli.task.ids import id_argument
from abathur.cli.task.listing import at_option
from abathur.cli.text import clean, clean_block, length, short

if TYPE_CHECKING:
    from abathur.domain.admission import Overlap
    from abathur.domain.gates import GateRun
    from abathur.domain.landing import Landing
    from abathur.domain.runs import Attempt, LateReport
    from abathur.domain.tasks import Task
    from abathur.services.reading import TaskDetail


@click.command()
@id_argument()
@at_option
@json_option
def show(task_id: str, at: str | None, as_json: bool) -> None:
    """Show all about one task: what it is, what it waits for, its attempts and landings.

    With --at as the audit trail tells that it was, without attempts and landings.
    """
    from abathur.services.reading import task_detail

    now = context.now()
    if at is not None:
        from abathur.cli.task.show_at import show_at

        return show_at(task_id, at, now, as_json=as_json)
    found = context.read(task_detail, task_id, now)
    if as_json:
        loop = loop_shape(found.loop) if found.loop else None
        output.write_json(shapes.detail(found, loop))
    else:
        output.write_lines(list(_lines(found, now)))


def _lines(found: TaskDetail, now: datetime) -> Iterator[str]:
    task = found.task
    yield from told(task, _facts(found, now))
    yield from block("prompt", clean_block(task.prompt.strip("\n")))
    for title, data in (("input", task.input_data), ("result", task.result_data)):
        if data:
            yield from block(title, pretty(data))
    yield from block("waits for", [line(other) for other in found.prerequisites])
    yield from block("waited for by", [line(other) for other in found.dependents])
    yield from block("attempts", [_attempt(one, now) for one in found.attempts])
    yield from block(*_loop(found))
    yield from block("late reports", [_late_report(one, now) for one in found.late_reports])
    yield from block("landings", [_landing(one) for one in found.landings])
    yield from block("gates", [_gate_run(run, found) for run in found.gate_runs])
    yield from block("overlaps", [_overlap(one, task) for one in found.overlaps])


def _facts(found: TaskDetail, now: datetime) -> Iterator[tuple[str, str]]:
    task = found.task
    is_there = task.worktree_path and Path(task.worktree_path).is_dir()
    beside = {
        "priority": f"{task.priority} (at present {found.calculated_priority:.2f})",
        "progress": _progress(found, now),
        "touches": ", ".join(found.touches),
        "may overlap": "yes" if found.may_overlap else "",
        # Both are removed together.
        "branch": (task.task_branch or "") if is_there else "",
        "worktree": (task.worktree_path or "") if is_there else "",
    }
    return facts(task, now, beside)


def _progress(found: TaskDetail, now: datetime) -> str:
    """What its agent said last."""
    if found.progress is None:
        return ""
    said = found.progress.action_data
    percent = f"{said['percent']:g} %: " if "percent" in said else ""
    ago = length((now - found.progress.timestamp).total_seconds())
    return f"{percent}{said['note']} (attempt {said['attempt']}, {ago} ago)"


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
        f"{late.attempt}  {outcome.get('kind', 'unknown')}, came {when(late.received_at, now)} "
        f"when the lease was lost; kept, not applied{message}"
    )
