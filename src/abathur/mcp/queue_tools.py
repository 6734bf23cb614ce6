"""Tools that look at the queue, and `task_cancel`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Final

from abathur.bootstrap import worker_is_alive
from abathur.bootstrap.diagnosis import agent_problem
from abathur.bootstrap.supervision import admission_rules
from abathur.domain.errors import InvalidInputError, NotFoundError
from abathur.domain.tasks import Task, TaskSource, TaskStatus
from abathur.mcp import task_shapes as shapes
from abathur.mcp.enqueueing import own_task
from abathur.mcp.task_shapes import COUNT, ID, STATUS, STATUSES, TASK, TIME
from abathur.mcp.tool import (
    CURSOR,
    TASK_ID,
    Answer,
    Call,
    Json,
    Tool,
    listing,
    maybe,
    number,
    one_of,
    text,
    thing,
    whole,
)
from abathur.ports.overview import PageFilter, StatusTotal
from abathur.ports.stores import Stores
from abathur.services import delegating, overview
from abathur.services.reading import execution_plan, explain_task, priority_of

MOST_PLANNED: Final = 500
WAITING: Final = (TaskStatus.PENDING, TaskStatus.BLOCKED)


async def get(call: Call) -> Answer:
    own = await own_task(call)

    def read(stores: Stores) -> Json:
        task = delegating.stores_task(stores, own, call.args["task_id"])
        return shapes.task(task, priority_of(stores, task, call.now))

    return await call.read(read)


async def tasks(call: Call) -> Answer:
    status, excluded = call.get("status"), call.get("exclude_status")
    if status and excluded:
        raise InvalidInputError("status and exclude_status exclude each other; give one of them")
    own, cursor, source = await own_task(call), call.get("cursor"), call.get("source")
    where = PageFilter(
        status=TaskStatus(status) if status else None,
        exclude_status=TaskStatus(excluded) if excluded else None,
        agent_type=call.get("agent_type"),
        source=TaskSource(source) if source else None,
        feature_branch=target_for(own, call.get("feature_branch")),
        after=shapes.place_of(cursor) if cursor else None,
        limit=call.get("limit", 50),
    )
    found = await call.read(overview.page, where, call.now)
    page: Json = {"tasks": [shapes.task(task, priority) for task, priority in found.tasks]}
    return page if found.next is None else {**page, "next_cursor": shapes.cursor(found.next)}


def target_for(own: Task | None, named: str | None) -> str | None:
    """What a run asks about is the target of its own task. Raises `NotFoundError`."""
    if own is None:
        return named
    if named not in {None, own.feature_branch}:
        raise NotFoundError(
            f"feature_branch: your task works on `{own.feature_branch}`; other branches aren't"
            " shown to it"
        )
    return own.feature_branch


async def status(call: Call) -> Answer:
    own = await own_task(call)
    found = await call.read(overview.totals, own.feature_branch if own else None)
    by_status = {total.status: total for total in found}
    count = sum(total.tasks for total in found)
    waiting = [by_status[one].earliest for one in WAITING if one in by_status]
    mean = sum(total.priorities for total in found) / count if count else 0.0
    return {
        "total_tasks": count,
        **{one.value: by_status[one].tasks if one in by_status else 0 for one in TaskStatus},
        "avg_priority": round(mean, 2),
        "max_depth": max((total.depth for total in found), default=0),
        "oldest_pending": shapes.iso(min(waiting, default=None)),
        "newest_task": shapes.iso(max((total.latest for total in found), default=None)),
    }


async def cancel(call: Call) -> Answer:
    task, gone = await call.write(
        delegating.cancel,
        call.args["task_id"],
        caller=call.caller,
        now=call.now,
        reason=call.get("reason"),
    )
    cascaded = [one.id for one in gone if one.id != task.id]
    return {
        "cancelled_task_id": task.id,
        "cascaded_task_ids": cascaded,
        "total_cancelled": len(gone),
    }


async def plan(call: Call) -> Answer:
    own = await own_task(call)

    def read(stores: Stores) -> Sequence[Sequence[str]]:
        ids = {delegating.stores_task(stores, own, text).id for text in call.args["task_ids"]}
        return execution_plan(stores, ids).batches

    batches = [list(batch) for batch in await call.read(read)]
    return {
        "batches": batches,
        "total_batches": len(batches),
        "max_parallelism": max(map(len, batches), default=0),
    }


async def why(call: Call) -> Answer:
    own, project = await own_task(call), call.host.project
    rules = admission_rules(project)

    def read(stores: Stores) -> Json:
        task = delegating.stores_task(stores, own, call.args["task_id"])
        now: datetime = call.now
        problem = partial(agent_problem, project)
        _, told = explain_task(stores, task.id, now, worker_is_alive, rules, problem)
        return {
            "task_id": task.id,
            "status": task.status.value,
            "summary": told.summary,
            "details": list(told.details),
            "next_step": told.next_step,
        }

    return await call.read(read)


def changed(totals: Sequence[StatusTotal]) -> datetime | None:
    return max((total.changed for total in totals), default=None)


GET: Final = Tool(
    name="task_get",
    title="Look at a task",
    description="All about one task. An agent sees its own work's tasks: those of its target.",
    takes={"task_id": TASK_ID},
    needs=("task_id",),
    gives=TASK,
    run=get,
    only_reads=True,
)

LIST: Final = Tool(
    name="task_list",
    title="List tasks",
    description=(
        "Tasks, the highest base priority first, then in order of submission. `next_cursor` in the"
        " answer leads to the next page. An agent sees the tasks of its own target."
    ),
    takes={
        "status": one_of("Only those.", STATUSES),
        "exclude_status": one_of("All but those.", STATUSES),
        "limit": whole("At most so many.", 1, 500, default=50),
        "source": one_of("Only of that origin.", [one.value for one in TaskSource]),
        "agent_type": text("Only for that agent.", most=100),
        "feature_branch": text("Only of that target.", most=200),
        "cursor": CURSOR,
    },
    gives=thing({"tasks": listing(TASK, "The page.", 500), "next_cursor": CURSOR}, ("tasks",)),
    run=tasks,
    only_reads=True,
)

STATUS_TOOL: Final = Tool(
    name="task_queue_status",
    title="Sum up the queue",
    description="How many tasks stand where. For an agent: those of its own target.",
    takes={},
    gives=thing(
        {
            "total_tasks": COUNT,
            **dict.fromkeys(STATUSES, COUNT),
            "avg_priority": number("The mean base priority.", 0, 10),
            "max_depth": COUNT,
            "oldest_pending": maybe(TIME),
            "newest_task": maybe(TIME),
        },
        ("total_tasks", *STATUSES),
    ),
    run=status,
    only_reads=True,
)

CANCEL: Final = Tool(
    name="task_cancel",
    title="Cancel a task",
    description=(
        "Cancel a task and all that waits for it; a running agent is ended, its work is kept. An"
        " agent may cancel the tasks that it has added."
    ),
    takes={"task_id": TASK_ID, "reason": text("Why.", most=500)},
    needs=("task_id",),
    gives=thing(
        {
            "cancelled_task_id": ID,
            "cascaded_task_ids": listing(ID, "What waited for it.", 10**6),
            "total_cancelled": COUNT,
        },
        ("cancelled_task_id", "cascaded_task_ids", "total_cancelled"),
    ),
    run=cancel,
    destroys=True,
    is_idempotent=True,
)

PLAN: Final = Tool(
    name="task_execution_plan",
    title="Order of work",
    description="In which batches unfinished tasks can run: those of one batch at the same time.",
    takes={"task_ids": listing(TASK_ID, "Which tasks.", MOST_PLANNED)},
    needs=("task_ids",),
    gives=thing(
        {
            "batches": listing(listing(ID, "Ids.", 10**6), "One after another.", 10**6),
            "total_batches": COUNT,
            "max_parallelism": COUNT,
        },
        ("batches", "total_batches", "max_parallelism"),
    ),
    run=plan,
    only_reads=True,
)

WHY: Final = Tool(
    name="task_why",
    title="Why isn't it moving",
    description="Say why a task isn't moving, and what to do about it.",
    takes={"task_id": TASK_ID},
    needs=("task_id",),
    gives=thing(
        {
            "task_id": ID,
            "status": STATUS,
            "summary": text("The reason."),
            "details": listing(text("A fact."), "Facts.", 10**6),
            "next_step": text("What to do."),
        },
        ("task_id", "status", "summary", "details", "next_step"),
    ),
    run=why,
    only_reads=True,
)

TOOLS: Final = (GET, LIST, STATUS_TOOL, CANCEL, PLAN, WHY)
