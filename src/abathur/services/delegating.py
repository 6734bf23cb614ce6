"""Tasks that come from outside over a protocol: from a person's program, or from a run of ours.

A run may add tasks below its own, and cancel those; it may read what its target's work needs. What
a use case here refuses leaves nothing behind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Final

from abathur.domain import graph
from abathur.domain.budgets import BudgetScope
from abathur.domain.delegation import Caller, Family, RunKey, check_spawn
from abathur.domain.errors import InvalidInputError, NotFoundError, RefusedError
from abathur.domain.settings import McpSettings
from abathur.domain.tasks import NewTask, Task, TaskStatus
from abathur.ports.stores import Stores
from abathur.services import cancelling
from abathur.services.reading import get_task, resolve_id
from abathur.services.submitting import Submitted, check_same, create, rerank

MOST_ANCESTORS: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A task that is to be queued, as a caller names things."""

    new: NewTask
    """Without prerequisites and parent."""
    name: str = ""
    """By which others of the same call may wait for it."""
    needs: tuple[str, ...] = ()
    """Names of others of the same call."""
    prerequisites: tuple[str, ...] = ()
    """Ids of tasks that are there, or unique prefixes of them."""
    parent: str | None = None


def standing(stores: Stores, run: RunKey, now: datetime) -> Task:
    """The task of a run that is still going on. Raises `RefusedError`."""
    task = stores.tasks.get(run.task_id)
    is_held = task is not None and task.status is TaskStatus.RUNNING and task.fence == run.fence
    if task is None or not is_held or (task.lease_until or now) < now:
        raise RefusedError(
            f"attempt {run.attempt} of task {run.task_id} is over, so its agent may do nothing"
            " more; end now"
        )
    return task


def enqueue(
    stores: Stores,
    orders: Sequence[Order],
    *,
    caller: Caller,
    limits: McpSettings,
    new_id: Callable[[], str],
    now: datetime,
) -> Sequence[tuple[str, Submitted]]:
    """Queue all of them or none, in an order in which they can run.

    An order whose idempotency key is known is left as it is there. Raises `NotFoundError`,
    `RefusedError`, `InvalidInputError`, `DependencyCycleError`.
    """
    own = standing(stores, caller.run, now) if caller.run else None
    named = {order.name or f"#{place}": order for place, order in enumerate(orders)}
    if len(named) < len(orders):
        raise InvalidInputError("tasks: two of them have the same name; each needs its own")
    _check_needs(named)
    known = _known(stores, named.values())
    added = [name for name, order in named.items() if order.new.idempotency_key not in known]
    if own is not None and added:
        agents = sum(_agents(named[name].new) for name in added)
        check_spawn(limits, family_of(stores, own, limits.max_tasks), agents)
    blocking = Counter(name for one in added for name in named[one].needs)
    made: dict[str, Submitted] = {}
    outside: dict[str, Task] = {}
    for batch in graph.batches({name: order.needs for name, order in named.items()}):
        for name in batch:
            order = named[name]
            if (task := known.get(order.new.idempotency_key or "")) is not None:
                check_same(task, order.new)
                made[name] = Submitted(task, created=False)
                continue
            waits_for = [stores_task(stores, own, text) for text in order.prerequisites]
            outside.update({task.id: task for task in waits_for})
            needs = [*(made[one].task for one in order.needs), *waits_for]
            new = replace(
                order.new,
                prerequisites=tuple(task.id for task in needs),
                parent_task_id=_parent(stores, own, order.parent),
            )
            if own is not None:
                _check_target(own, new, limits)
            task = create(
                stores,
                new,
                list({task.id: task for task in needs}.values()),
                task_id=new_id(),
                now=now,
                actor=caller.actor,
                blocking=blocking[name],
            )
            made[name] = Submitted(task, created=True)
    for task in [*outside.values(), *(made[n].task for n in blocking if n not in added)]:
        rerank(stores, task, caller.actor, now)
    return list(made.items())


def _check_needs(named: Mapping[str, Order]) -> None:
    for name, order in named.items():
        for need in order.needs:
            if need not in named:
                raise InvalidInputError(
                    f"tasks: `{name}` needs `{need}`, which no task of this call is named; name a"
                    " task that is queued already by its id, in `prerequisites`"
                )


def _known(stores: Stores, orders: Collection[Order]) -> Mapping[str, Task]:
    keys = [order.new.idempotency_key for order in orders if order.new.idempotency_key]
    return stores.tasks.by_keys(keys) if keys else {}


def _agents(new: NewTask) -> int:
    """How many tasks it counts as: each candidate costs as much as one."""
    wanted = (new.loop or {}).get("candidates", 1)
    return wanted if isinstance(wanted, int) else len(wanted)


def stores_task(stores: Stores, own: Task | None, text: str) -> Task:
    """A task that the caller may know of. Raises `NotFoundError`, `InvalidInputError`."""
    task = get_task(stores, text)
    if own is not None and not may_read(stores, own, task):
        raise NotFoundError(
            f"no task that belongs to the work on `{own.feature_branch}` has the id {text}"
        )
    return task


def _parent(stores: Stores, own: Task | None, text: str | None) -> str | None:
    """A run's tasks are parts of its own, or of one below it."""
    if own is None:
        return resolve_id(stores, text) if text else None
    if text is None:
        return own.id
    parent = stores_task(stores, own, text)
    if not descends(stores, parent, own.id):
        raise RefusedError(
            f"parent_task_id: an agent may add tasks below its own task {own.id} only; leave it out"
        )
    return parent.id


def _check_target(own: Task, new: NewTask, limits: McpSettings) -> None:
    target = new.feature_branch
    if target == own.feature_branch or target is None:
        return
    if not any(fnmatchcase(target, pattern) for pattern in limits.targets):
        allowed = ", ".join(f"`{one}`" for one in (own.feature_branch, *limits.targets))
        raise RefusedError(
            f"feature_branch: an agent's tasks may land on {allowed} and not on `{target}`"
            " (`mcp.targets`); leave it out"
        )


# --- who belongs to whom ------------------------------------------------------------------


def ancestors(stores: Stores, task: Task) -> Sequence[Task]:
    """What the task is a part of, the nearest first."""
    found: list[Task] = []
    above = task.parent_task_id
    while above is not None and len(found) < MOST_ANCESTORS:
        parent = stores.tasks.get(above)
        if parent is None:
            break
        found.append(parent)
        above = parent.parent_task_id
    return found


def descends(stores: Stores, task: Task, ancestor_id: str) -> bool:
    """Whether the task is that one, or a part of it at any distance."""
    return task.id == ancestor_id or any(one.id == ancestor_id for one in ancestors(stores, task))


def may_read(stores: Stores, own: Task, other: Task) -> bool:
    """Whether a run of the task `own` may see the other one.

    Those of the same target, those that it is a part of or that are parts of it, and those that it
    waited for.
    """
    return (
        (other.feature_branch is not None and other.feature_branch == own.feature_branch)
        or other.id in own.prerequisites
        or descends(stores, other, own.id)
        or descends(stores, own, other.id)
    )


def family_of(stores: Stores, own: Task, most: int) -> Family:
    """Counted to a little beyond `most` members."""
    above = ancestors(stores, own)
    first = above[-1] if above else own
    members: list[str] = []
    level: Sequence[str] = [first.id]
    while level and len(members) <= most:
        level = stores.overview.children(level, most + 1)
        members.extend(level)
    spent = sum(stores.costs.sums(BudgetScope.TASK, one)[0] for one in members)
    return Family(depth=len(above), size=len(members), spent_usd=spent)


def cancel(
    stores: Stores, text: str, *, caller: Caller, now: datetime, reason: str | None
) -> tuple[Task, Sequence[Task]]:
    """Cancel a task and what waits for it; the task, and all that was cancelled.

    A run may cancel only what is below its own task, and only where nothing else waits for it.
    """
    own = standing(stores, caller.run, now) if caller.run else None
    task = stores_task(stores, own, text)
    if own is not None and (task.id == own.id or not descends(stores, task, own.id)):
        raise RefusedError(
            f"an agent may cancel the tasks that it has added itself, and {task.id} is none of"
            " them; say so in your report"
        )
    gone = cancelling.cancel(stores, task.id, now=now, actor=caller.actor, reason=reason)
    foreign = [one for one in gone if own is not None and not descends(stores, one, own.id)]
    if foreign:
        raise RefusedError(
            f"task {foreign[0].id}, which isn't yours, waits for {task.id} and would be cancelled"
            " too; say so in your report"
        )
    return task, gone
