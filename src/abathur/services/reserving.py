"""Room for what a run that is under way costs beyond what was reserved when it was claimed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from abathur.domain.agents import AgentSpec
from abathur.domain.budgets import EPSILON, Account, BudgetScope, SpendingRules
from abathur.domain.leases import check_fence
from abathur.domain.money import day_of, estimate
from abathur.domain.runs import Usage
from abathur.ports.stores import Stores
from abathur.services.accounting import known_costs
from abathur.services.budgeting import account, told
from abathur.services.running import Holder


@dataclass(frozen=True, slots=True, kw_only=True)
class Further:
    """One more agent of an attempt."""

    spec: AgentSpec
    target: str
    used: Usage | None
    """What the attempt has used until now; None before anything was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    left_usd: float | None = None
    """What it may spend; None is without end."""
    refusal: str = ""
    """Why there is no room; nothing is reserved then."""
    wait_seconds: float | None = None
    """Until there is room again by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Of an attempt in the budgets that others draw on too: its target's and its day's."""

    reserved_usd: float
    left_usd: float
    """What it may spend in all, if none of the others takes any more."""
    narrowest: str
    """The budget that leaves least."""


SPARE: Final = 0.2
"""Of what it has cost is set aside beyond, so that not each word about its cost is a write."""


def share(stores: Stores, spending: SpendingRules, task_id: str, number: int) -> Share | None:
    """None where nothing was set aside for the attempt, or no such budget has an end any more."""
    mine = stores.costs.get(task_id, number)
    if mine is None or mine.settled_at is not None:
        return None
    budgets = [(BudgetScope.TARGET, mine.target), (BudgetScope.DAY, mine.day)]
    found = [one for scope, name in budgets if (one := account(stores, spending, scope, name))]
    if not found:
        return None
    narrowest = min(found, key=lambda one: one.left_usd)
    return Share(
        reserved_usd=mine.reserved_usd,
        left_usd=narrowest.left_usd + mine.reserved_usd,
        narrowest=told(narrowest),
    )


def keep_up(
    stores: Stores, spending: SpendingRules, holder: Holder, spent_usd: float
) -> Share | None:
    """Have as much set aside as the attempt has cost, and some more where there is room.

    What it has cost counts, whether there was room for it or not; it has to end when that is more
    than what was left for it. Raises `StaleFenceError`.
    """
    task = stores.tasks.get(holder.task_id)
    check_fence(f"task {holder.task_id}", task.fence if task else -1, holder.fence)
    stores.admission.take_turn()  # else two would take the same last dollar
    mine = share(stores, spending, holder.task_id, holder.number)
    if mine is None or spent_usd <= mine.reserved_usd:
        return mine
    reserved = max(spent_usd, min(mine.left_usd, spent_usd * (1 + SPARE)))
    stores.costs.reserve_more(holder.task_id, holder.number, reserved)
    return replace(mine, reserved_usd=reserved)


def reserve_more(
    stores: Stores, spending: SpendingRules, holder: Holder, further: Further, now: datetime
) -> Room:
    """Set aside what it will cost, beside what the attempt has cost. Raises `StaleFenceError`."""
    task = stores.tasks.get(holder.task_id)
    check_fence(f"task {holder.task_id}", task.fence if task else -1, holder.fence)
    stores.admission.take_turn()
    budgets = [
        (BudgetScope.TASK, holder.task_id),
        (BudgetScope.TARGET, further.target),
        (BudgetScope.DAY, day_of(now)),
    ]
    found = [one for scope, name in budgets if (one := account(stores, spending, scope, name))]
    if not found:
        return Room()
    mine = stores.costs.get(holder.task_id, holder.number)
    reserved = mine.reserved_usd if mine else 0.0
    used, usd = _expected(stores, spending, further)
    left = {one.scope: one.left_usd + reserved - used for one in found}
    for one in found:
        if left[one.scope] <= EPSILON or usd > left[one.scope] + EPSILON:
            return _refused(one, left[one.scope], usd, now)
    stores.costs.reserve(
        holder.task_id,
        holder.number,
        target=further.target,
        agent_type=task.agent_type if task else "",
        began=now,
        usd=0.0,
    )
    stores.costs.reserve_more(holder.task_id, holder.number, used + usd)
    return Room(left_usd=min(left.values()))


def _expected(stores: Stores, spending: SpendingRules, further: Further) -> tuple[float, float]:
    """What the attempt has cost, and what the further agent will."""
    spec, pricing = further.spec, spending.pricing
    known = known_costs(stores, spec.agent_type, spec.runtime, spec.model, pricing)
    usd = estimate(None, spec.model, spec.runtime, known, pricing).usd
    if further.used is None:
        return 0.0, usd
    cost = further.used.cost_usd
    return (usd if cost is None else cost), usd


def _refused(one: Account, left: float, usd: float, now: datetime) -> Room:
    text = (
        f"the budget of {told(one)} has no room: ${max(0.0, left):.2f} of ${one.limit_usd:.2f} "
        f"are left, and it counts ${usd:.2f}"
    )
    if one.scope is not BudgetScope.DAY:
        return Room(refusal=text)
    midnight = datetime.combine(now.astimezone(UTC).date(), datetime.min.time(), UTC)
    return Room(refusal=text, wait_seconds=(midnight + timedelta(days=1) - now).total_seconds())
