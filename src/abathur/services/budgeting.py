"""Keeping to budgets: room is reserved when a task is claimed, and used up means held and asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from abathur.domain.admission import Hold, HoldCause, HoldScope, Refusal, RefusalKind
from abathur.domain.audit import Action
from abathur.domain.budgets import Account, BudgetScope, effective_limit
from abathur.domain.money import day_of, estimate
from abathur.services import trail
from abathur.services.accounting import known_costs
from abathur.services.pausing import pause, resume

if TYPE_CHECKING:
    from abathur.domain.admission import AdmissionRules, Candidate
    from abathur.domain.budgets import SpendingRules
    from abathur.domain.tasks import Task
    from abathur.ports.stores import Stores

ACTOR: Final = "budget"
SCOPES: Final[Mapping[BudgetScope, HoldScope]] = {
    BudgetScope.TASK: HoldScope.TASK,
    BudgetScope.TARGET: HoldScope.TARGET,
    BudgetScope.DAY: HoldScope.EVERYTHING,
}


class BudgetGate:
    """Lets tasks through for which there is room. Remembers which budgets are used up."""

    def __init__(self, stores: Stores, rules: AdmissionRules, now: datetime) -> None:
        self._stores, self._rules, self._now = stores, rules, now
        self._reserved: dict[tuple[BudgetScope, str], float] = {}
        self._accounts: dict[tuple[BudgetScope, str], Account | None] = {}
        self._prices: dict[str, float] = {}
        self.used_up: dict[tuple[BudgetScope, str], tuple[Account, float]] = {}

    def refuses(self, task: Candidate) -> Refusal | None:
        usd = self.price_of(task.agent_type)
        for scope, name in self._budgets_of(task):
            account = self._account(scope, name)
            if account is None or account.has_room(usd):
                continue
            if account.is_used_up(usd):
                self.used_up[scope, name] = (account, usd)
            return _refusal(account, usd, task)
        return None

    def take(self, task: Candidate) -> None:
        usd = self.price_of(task.agent_type)
        for key in self._budgets_of(task):
            self._reserved[key] = self._reserved.get(key, 0.0) + usd

    def price_of(self, agent_type: str) -> float:
        if agent_type not in self._prices:
            self._prices[agent_type] = next_usd(self._stores, self._rules.spending, agent_type)
        return self._prices[agent_type]

    def _budgets_of(self, task: Candidate) -> Iterable[tuple[BudgetScope, str]]:
        return (
            (BudgetScope.TASK, task.id),
            (BudgetScope.TARGET, task.target or self._rules.default_target or ""),
            (BudgetScope.DAY, day_of(self._now)),
        )

    def _account(self, scope: BudgetScope, name: str) -> Account | None:
        key = scope, name
        if key not in self._accounts:
            self._accounts[key] = account(self._stores, self._rules.spending, scope, name)
        found, taken = self._accounts[key], self._reserved.get(key, 0.0)
        if found is None or not taken:
            return found
        return Account(
            scope=scope,
            name=name,
            limit_usd=found.limit_usd,
            spent_usd=found.spent_usd,
            reserved_usd=found.reserved_usd + taken,
        )


def _refusal(account: Account, usd: float, task: Candidate) -> Refusal:
    """A day's room for one agent type's tasks is the same for all of them."""
    scope, name = SCOPES[account.scope], account.name
    if account.scope is BudgetScope.DAY:
        scope, name = HoldScope.AGENT_TYPE, task.agent_type
    return Refusal(
        kind=RefusalKind.BUDGET,
        text=f"the budget of {told(account)} has no room: {account.told(usd)}",
        scope=scope,
        name=name,
    )


def told(account: Account) -> str:
    match account.scope:
        case BudgetScope.TASK:
            return "the task"
        case BudgetScope.TARGET:
            return f"target `{account.name}`"
        case BudgetScope.DAY:
            return f"the day {account.name}"


def next_usd(stores: Stores, spending: SpendingRules, agent_type: str) -> float:
    """What the next attempt of such an agent is expected to cost."""
    runtime, model = spending.kind_of(agent_type)
    known = known_costs(stores, agent_type, runtime, model, spending.pricing)
    return estimate(None, model, runtime, known, spending.pricing).usd


def account(
    stores: Stores, spending: SpendingRules, scope: BudgetScope, name: str
) -> Account | None:
    """The budget as it stands, None when there is none."""
    allowance = stores.costs.allowance(scope, name)
    limit = effective_limit(spending.budgets.of(scope, name), allowance)
    if limit is None:
        return None
    spent, reserved = stores.costs.sums(scope, name)
    return Account(scope=scope, name=name, limit_usd=limit, spent_usd=spent, reserved_usd=reserved)


def _asks(hold: Hold) -> tuple[BudgetScope, str] | None:
    """The budget that a hold asks for."""
    if hold.cause is not HoldCause.BUDGET:
        return None
    scope = next((scope for scope, held in SCOPES.items() if held is hold.scope), None)
    if scope is BudgetScope.DAY:
        return scope, day_of(hold.created_at)
    return None if scope is None else (scope, hold.name)


def reserve(stores: Stores, rules: AdmissionRules, tasks: Sequence[Task], now: datetime) -> None:
    """Set aside what the claimed tasks will cost, where there is any budget at all."""
    if not rules.spending.budgets and not stores.costs.any_allowances():
        return
    gate = BudgetGate(stores, rules, now)
    for task in tasks:
        stores.costs.reserve(
            task.id,
            task.attempt_count,
            target=task.feature_branch or rules.default_target or "",
            agent_type=task.agent_type,
            began=now,
            usd=gate.price_of(task.agent_type),
        )


def take_answers(stores: Stores, holds: Iterable[Hold]) -> None:
    """Grant what was asked for by holds that somebody has taken away since."""
    asking = {_asks(hold) for hold in holds}
    for scope, name, asked in stores.costs.questions():
        if (scope, name) not in asking:
            stores.costs.answer(scope, name, asked)


def ask_for_more(
    stores: Stores,
    spending: SpendingRules,
    used_up: Mapping[tuple[BudgetScope, str], tuple[Account, float]],
    now: datetime,
) -> None:
    """Hold what has no budget left, with the figures, until a person grants more."""
    for account_, usd in used_up.values():
        _ask(stores, spending, account_, usd, account_.told(usd), now)


def _ask(
    stores: Stores,
    spending: SpendingRules,
    account_: Account,
    usd: float,
    message: str,
    now: datetime,
) -> None:
    """Resuming grants the limit once more, and at least what the next attempt needs."""
    scope, name = account_.scope, account_.name
    allowance = stores.costs.allowance(scope, name)
    base = effective_limit(spending.budgets.of(scope, name), allowance) or 0.0
    base -= allowance.granted_usd if allowance else 0.0
    asked = max(base, account_.spent_usd + usd - account_.limit_usd)
    _hold(stores, scope, name, f"{message}; resuming grants ${asked:.2f} more", now)
    stores.costs.ask(scope, name, asked_usd=asked, needed_usd=usd)


def ask_for_shared(
    stores: Stores, spending: SpendingRules, task: Task, now: datetime
) -> Sequence[Account]:
    """Budgets of the target and the day that have no room for the task; used up ones are held.

    Where only reservations are in the way, the task waits for them without anybody being asked.
    """
    newest = stores.costs.get(task.id, task.attempt_count)
    if newest is None:
        return []
    usd = next_usd(stores, spending, task.agent_type)
    budgets = ((BudgetScope.TARGET, newest.target), (BudgetScope.DAY, day_of(now)))
    found = [one for key in budgets if (one := account(stores, spending, *key))]
    full = [one for one in found if not one.has_room(usd)]
    used_up = {(one.scope, one.name): (one, usd) for one in full if one.is_used_up(usd)}
    ask_for_more(stores, spending, used_up, now)
    return full


def hold_task(
    stores: Stores, spending: SpendingRules, task: Task, message: str, now: datetime
) -> None:
    """Hold a task whose agent has spent what it may."""
    found = account(stores, spending, BudgetScope.TASK, task.id)
    if found is None:  # a limit of the agent's own settings
        _hold(stores, BudgetScope.TASK, task.id, message, now)
        return
    usd = next_usd(stores, spending, task.agent_type)
    figures = f"{message}: ${found.spent_usd:.2f} spent of ${found.limit_usd:.2f}"
    _ask(stores, spending, found, usd, figures, now)


def _hold(stores: Stores, scope: BudgetScope, name: str, reason: str, now: datetime) -> None:
    """A day's hold ends with the day."""
    is_day = scope is BudgetScope.DAY
    midnight = datetime.combine(now.astimezone(UTC).date(), datetime.min.time(), UTC)
    hold = Hold(
        id=f"budget:{scope}:{name}",
        scope=SCOPES[scope],
        name="" if is_day else name,
        cause=HoldCause.BUDGET,
        reason=reason,
        hold_until=midnight + timedelta(days=1) if is_day else None,
        created_by=ACTOR,
        created_at=now,
    )
    pause(stores, hold)


def liftable(stores: Stores, spending: SpendingRules, holds: Iterable[Hold]) -> Sequence[Hold]:
    """Holds for budgets that have been raised or taken back since."""
    return [hold for hold in holds if _is_raised(stores, spending, hold)]


def _is_raised(stores: Stores, spending: SpendingRules, hold: Hold) -> bool:
    asked = _asks(hold)
    allowance = stores.costs.allowance(*asked) if asked else None
    if asked is None or allowance is None or not allowance.asked_usd:
        return False
    account_ = account(stores, spending, *asked)
    return account_ is None or not account_.is_used_up(allowance.needed_usd)


def lift(stores: Stores, holds: Iterable[Hold], now: datetime) -> None:
    for hold in holds:
        resume(stores, hold.scope, hold.name, cause=HoldCause.BUDGET, now=now, actor=ACTOR)
        if asked := _asks(hold):
            stores.costs.answer(*asked, 0.0)


def left_for_task(stores: Stores, spending: SpendingRules, task_id: str) -> float | None:
    """What is left for a task, without what is reserved for its run; None is without end."""
    found = account(stores, spending, BudgetScope.TASK, task_id)
    return None if found is None else max(0.0, found.limit_usd - found.spent_usd)


def set_task_budget(
    stores: Stores, task_id: str, usd: float | None, *, now: datetime, actor: str
) -> None:
    """Give a task a budget of its own; None leaves it to the settings.

    A hold for the budget that it had is taken away: the next claim looks at the one that it has.
    """
    stores.costs.set_limit(BudgetScope.TASK, task_id, usd)
    trail.record(stores, Action.BUDGET_SET, task_id, actor, now, budget_usd=usd)
    resume(stores, HoldScope.TASK, task_id, cause=HoldCause.BUDGET, now=now, actor=actor)
