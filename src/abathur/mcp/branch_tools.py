"""Tools about feature branches: the targets on which the work of tasks lands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from abathur.domain.errors import NotFoundError
from abathur.domain.tasks import Task, TaskStatus
from abathur.mcp import task_shapes as shapes
from abathur.mcp.enqueueing import own_task
from abathur.mcp.queue_tools import changed, target_for
from abathur.mcp.task_shapes import COUNT, ID, STATUS, TIME
from abathur.mcp.tool import (
    Answer,
    Call,
    Json,
    Tool,
    free_object,
    listing,
    maybe,
    number,
    text,
    thing,
    truth,
)
from abathur.ports.overview import StatusTotal
from abathur.services import overview

SHOWN_BLOCKERS: Final = 250
"""Of each of the two statuses."""
_S = TaskStatus


async def summary(call: Call) -> Answer:
    target = await _target(call)
    found = await call.read(overview.target_summary, target)
    by_status = _counts(found.totals)
    if not by_status:
        raise NotFoundError(
            f"feature_branch: no task lands on `{target}`; `feature_branch_list` shows the branches"
        )
    return {
        "feature_branch": target,
        "total_tasks": sum(by_status.values()),
        "status_breakdown": {status.value: count for status, count in by_status.items()},
        "progress": _progress(by_status),
        "agent_breakdown": [
            {"agent_type": one.agent_type, "total": one.tasks, "completed": one.completed}
            for one in found.agents
        ],
        "timestamps": _times(found.totals),
    }


async def branches(call: Call) -> Answer:
    own = await own_task(call)
    found = await call.read(overview.targets)
    shown = [_branch(target, totals) for target, totals in found.items() if _is_for(own, target)]
    return {"feature_branches": shown, "count": len(shown)}


def _is_for(own: Task | None, target: str) -> bool:
    return own is None or own.feature_branch == target


def _branch(target: str, totals: Sequence[StatusTotal]) -> Json:
    by_status = _counts(totals)
    progress = _progress(by_status)
    counted = ("completed", "failed", "running", "pending", "completion_rate")
    return {
        "feature_branch": target,
        "total_tasks": sum(by_status.values()),
        **{name: progress[name] for name in counted},
        **_times(totals),
    }


async def blockers(call: Call) -> Answer:
    target = await _target(call)
    found = await call.read(overview.blockers, target, SHOWN_BLOCKERS)
    return {
        "feature_branch": target,
        "blockers": [_blocker(task) for task in found],
        "blocker_count": len(found),
        "has_blockers": bool(found),
    }


def _blocker(task: Task) -> Json:
    return {
        "task_id": task.id,
        "prompt": task.prompt,
        "agent_type": task.agent_type,
        "status": task.status.value,
        "error_message": task.error_message,
        "retry_count": task.retry_count,
        "submitted_at": shapes.iso(task.submitted_at),
        "started_at": shapes.iso(task.started_at),
    }


async def _target(call: Call) -> str:
    target = target_for(await own_task(call), call.args["feature_branch"])
    assert target is not None
    return target


def _counts(totals: Iterable[StatusTotal]) -> dict[TaskStatus, int]:
    return {total.status: total.tasks for total in totals}


def _progress(by_status: dict[TaskStatus, int]) -> Json:
    total = sum(by_status.values())
    done = by_status.get(_S.COMPLETED, 0)
    counted = (_S.COMPLETED, _S.FAILED, _S.RUNNING, _S.PENDING, _S.BLOCKED, _S.READY)
    return {
        **{status.value: by_status.get(status, 0) for status in counted},
        "completion_rate": round(100 * done / total, 2) if total else 0.0,
    }


def _times(totals: Sequence[StatusTotal]) -> Json:
    earliest = min((total.earliest for total in totals), default=None)
    return {
        "earliest_task": shapes.iso(earliest),
        "latest_activity": shapes.iso(changed(totals)),
    }


BRANCH: Final = text("The branch on which the work of tasks lands.", most=200, least=1)
RATE: Final = number("Per cent.", 0, 100)
TIMES: Final = {"earliest_task": maybe(TIME), "latest_activity": maybe(TIME)}
_AGENTS: Final = thing({"agent_type": text("Which."), "total": COUNT, "completed": COUNT})

SUMMARY: Final = Tool(
    name="feature_branch_summary",
    title="Sum up a feature branch",
    description="How far the tasks are whose work lands on a branch.",
    takes={"feature_branch": BRANCH},
    needs=("feature_branch",),
    gives=thing(
        {
            "feature_branch": BRANCH,
            "total_tasks": COUNT,
            "status_breakdown": free_object("Status -> how many."),
            "progress": thing({"completed": COUNT, "failed": COUNT, "completion_rate": RATE}),
            "agent_breakdown": listing(_AGENTS, "By agent type.", 10**6),
            "timestamps": thing(TIMES),
        },
        ("feature_branch", "total_tasks", "status_breakdown", "progress"),
    ),
    run=summary,
    only_reads=True,
)

LIST: Final = Tool(
    name="feature_branch_list",
    title="List feature branches",
    description="The branches on which the work of tasks lands, and how far each is.",
    takes={},
    gives=thing(
        {
            "feature_branches": listing(
                thing({"feature_branch": BRANCH, "total_tasks": COUNT, **TIMES}), "Each.", 10**6
            ),
            "count": COUNT,
        },
        ("feature_branches", "count"),
    ),
    run=branches,
    only_reads=True,
)

BLOCKERS: Final = Tool(
    name="feature_branch_blockers",
    title="What holds up a feature branch",
    description="The failed and the blocked tasks of a branch.",
    takes={"feature_branch": BRANCH},
    needs=("feature_branch",),
    gives=thing(
        {
            "feature_branch": BRANCH,
            "blockers": listing(thing({"task_id": ID, "status": STATUS}), "Each.", 500),
            "blocker_count": COUNT,
            "has_blockers": truth("Whether there is any."),
        },
        ("feature_branch", "blockers", "blocker_count", "has_blockers"),
    ),
    run=blockers,
    only_reads=True,
)

TOOLS: Final = (SUMMARY, LIST, BLOCKERS)
