"""A task that is split: its parts are queued and land first, and then it goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from abathur.domain.audit import Action
from abathur.domain.delegation import Caller, RunKey
from abathur.domain.settings import McpSettings
from abathur.domain.splitting import MOST_PARTS, Part
from abathur.domain.tasks import NewTask, Task, TaskSource, TaskStatus, moved
from abathur.ports.stores import Stores
from abathur.services import delegating, trail
from abathur.services.delegating import Order
from abathur.services.splitting import parts
from abathur.services.submitting import rerank


def queue(
    stores: Stores,
    run: RunKey,
    named: Sequence[Part],
    *,
    number: int,
    limits: McpSettings,
    new_id: Callable[[], str],
    now: datetime,
) -> None:
    """Add the parts, all or none, and once for an iteration however often it is tried.

    Raises what `delegating.enqueue` raises.
    """
    task = delegating.standing(stores, run, now)
    caller = Caller(name="", run=run)
    orders = [_order(task, part, number, caller) for part in named[:MOST_PARTS]]
    delegating.enqueue(stores, orders, caller=caller, limits=limits, new_id=new_id, now=now)


def _order(task: Task, part: Part, number: int, caller: Caller) -> Order:
    new = NewTask(
        prompt=part.description,
        summary=part.summary,
        agent_type=part.agent_type or task.agent_type,
        priority=task.priority,
        source=TaskSource.AGENT_PLANNER,
        max_retries=task.max_retries,
        max_execution_timeout_seconds=task.max_execution_timeout_seconds,
        input_data=dict(part.input_data),
        feature_branch=task.feature_branch,
        idempotency_key=f"split:{task.id}:{number}:{part.name}",
        created_by=caller.actor,
        touches=part.touches,
    )
    return Order(new=new, name=part.name, needs=part.needs)


def settle(
    stores: Stores, task: Task, since: datetime | None, *, actor: str, now: datetime
) -> Task:
    """The running task waits for its parts; without any it is ready for its next run."""
    added = [one for one in parts(stores, task.id, since) if one.status is not TaskStatus.COMPLETED]
    if not added:
        again = moved(task, TaskStatus.READY, now, lost_count=0, error_message=None)
        return trail.save(stores, Action.TASK_HANDED_BACK, task, again, actor, now)
    new = [one.id for one in added if one.id not in task.prerequisites]
    stores.graph.add(task.id, new, now)
    waiting = moved(
        task,
        TaskStatus.BLOCKED,
        now,
        unmet_count=task.unmet_count + len(new),
        dependency_depth=max(task.dependency_depth, *(1 + one.dependency_depth for one in added)),
        lost_count=0,
        error_message=None,
    )
    told = [*task.prerequisites, *new]
    trail.save(stores, Action.TASK_SPLIT, task, waiting, actor, now, prerequisites=told)
    for one in added:
        rerank(stores, one, actor, now)
    return stores.tasks.get(task.id) or waiting
