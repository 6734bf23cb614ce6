"""Which of the ready tasks may be claimed now."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from abathur.domain.admission import Admission, AdmissionRules, Candidate, HoldScope, Restrictions
from abathur.domain.landing import LandingState
from abathur.domain.tasks import TaskStatus
from abathur.ports.admission import Closed
from abathur.services.budgeting import (
    BudgetGate,
    ask_for_more,
    lift,
    liftable,
    take_answers,
)

if TYPE_CHECKING:
    from abathur.domain.admission import Hold, Refusal
    from abathur.domain.closed_targets import Closure
    from abathur.domain.landing import Landing
    from abathur.domain.tasks import Task
    from abathur.ports.stores import Stores

PAGE: Final = 200
WAITING: Final = frozenset({TaskStatus.READY, TaskStatus.PENDING, TaskStatus.BLOCKED})


def admission(stores: Stores, rules: AdmissionRules, now: datetime) -> Admission:
    """The state of everything that admission goes by."""
    restrictions = stores.admission.restrictions(now)
    return _admission(stores, rules, restrictions, BudgetGate(stores, rules, now))


def _admission(
    stores: Stores, rules: AdmissionRules, restrictions: Restrictions, budget: BudgetGate
) -> Admission:
    needs_running = rules.limits or (restrictions.has_reservations and not rules.may_overlap)
    running = stores.admission.running() if needs_running else ()
    is_limited = rules.spending.budgets or restrictions.has_allowances
    return Admission(rules, restrictions, running, (budget,) if is_limited else ())


def has_admitted(stores: Stores, rules: AdmissionRules, now: datetime) -> bool:
    """Whether there is a ready task that may be claimed, or a budget's hold to begin or to end.

    Quick when nothing restricts.
    """
    if not stores.claims.any_ready():
        return False
    restrictions = stores.admission.restrictions(now)
    if not restrictions and not rules.restricts and not has_closed(stores, rules, 1):
        return True
    if liftable(stores, rules.spending, restrictions.holds):
        return True
    budget = BudgetGate(stores, rules, now)
    decides = _admission(stores, rules, restrictions, budget)
    return next(admitted(stores, decides), None) is not None or bool(budget.used_up)


def has_closed(stores: Stores, rules: AdmissionRules, count: int) -> bool:
    """Whether one of the most urgent `count` ready tasks is for a target that is closed now."""
    if rules.closure is None:
        return False
    first = stores.admission.candidates(None, count, Closed())
    return bool(rules.closed(task.target or rules.default_target for task in first))


def closures(stores: Stores, rules: AdmissionRules) -> Mapping[str, Closure]:
    """Target -> why nothing can land there, of the most urgent ready tasks and of waiting work."""
    if rules.closure is None or not (stores.claims.any_ready() or stores.landings.wanted()):
        return {}
    first = stores.admission.candidates(None, PAGE, Closed())
    targets = {task.target or rules.default_target for task in first}
    targets.update(landing.target for landing in stores.landings.wanted())
    return rules.closures(targets)


def choose(stores: Stores, rules: AdmissionRules, limit: int, now: datetime) -> list[str]:
    """Ids of up to `limit` ready tasks that may all be claimed, the most urgent first.

    Nobody else who chooses can claim before this transaction has ended.
    """
    stores.admission.take_turn()
    restrictions = stores.admission.restrictions(now)
    if restrictions.has_allowances:
        take_answers(stores, restrictions.holds)
    if done := liftable(stores, rules.spending, restrictions.holds):
        lift(stores, done, now)
        restrictions = stores.admission.restrictions(now)
    budget = BudgetGate(stores, rules, now)
    found = admitted(stores, _admission(stores, rules, restrictions, budget))
    ids = [task.id for task, _ in zip(found, range(limit), strict=False)]
    ask_for_more(stores, rules.spending, budget.used_up, now)
    return ids


def admitted(stores: Stores, decides: Admission) -> Iterator[Candidate]:
    """Ready tasks in the order of claiming, each counted in as running when the next is asked for.

    What is found to be refused as a whole is left to the database to pass over, so that any number
    of held tasks costs one walk along the index and no row of theirs is fetched.
    """
    closed = _closed(decides)
    after: Candidate | None = None
    while decides.refuses_all() is None:
        page = stores.admission.candidates(after, PAGE, closed)
        for task in page:
            refusal = decides.refuses(task)
            if refusal is None:
                yield task
                decides.take(task)
            else:
                _close(closed, task, refusal)
        if len(page) < PAGE:
            return
        after = page[-1]


def _closed(decides: Admission) -> Closed:
    """What is held, which is known before any task is looked at."""
    names: dict[HoldScope, set[str]] = {scope: set() for scope in HoldScope}
    for hold in decides.restrictions.holds:
        names[hold.scope].add(hold.name)
    targets = names[HoldScope.TARGET]
    if decides.rules.default_target in targets:
        targets.add("")
    return Closed(
        agent_types=names[HoldScope.AGENT_TYPE], targets=targets, tasks=names[HoldScope.TASK]
    )


def _close(closed: Closed, task: Candidate, refusal: Refusal) -> None:
    """Nothing that is refused is admitted later in the same walk: it only gets fuller."""
    if refusal.scope is HoldScope.AGENT_TYPE:
        closed.agent_types.add(task.agent_type)
    elif refusal.scope is HoldScope.TARGET:
        closed.targets.add(task.target or "")
    elif refusal.scope is None:
        closed.patterns.add(refusal.name)


def held(stores: Stores, tasks: Iterable[Task], now: datetime) -> set[str]:
    """Ids of those of the tasks that wait, for whatever else, under a hold."""
    holds = stores.admission.restrictions(now).holds
    return {
        task.id
        for task in tasks
        if holds and task.status in WAITING and any(hold.covers(_plain(task)) for hold in holds)
    }


def _plain(task: Task) -> Candidate:
    """Without its paths, which no hold looks at."""
    return Candidate(id=task.id, agent_type=task.agent_type, target=task.feature_branch)


def is_held_up(stores: Stores, rules: AdmissionRules, now: datetime) -> bool:
    """Whether holds keep everything from moving that isn't finished or scheduled for later.

    A used-up pool comes back by itself, and so does a back-off: those are waited for.
    """
    holds = stores.admission.restrictions(now).holds
    landings = stores.landings.open()
    closed = rules.closed(one.target for one in landings)
    is_free = not holds and not closed and not has_closed(stores, rules, 1)
    if is_free or stores.claims.any_backing_off():
        return False
    waiting = {one.task_id for one in landings if is_held_landing(one, holds, closed)}
    if any(task.id not in waiting for task in stores.admission.running()):
        return False
    only_holds = AdmissionRules(
        default_target=rules.default_target, host=rules.host, closure=rules.closure
    )
    decides = Admission(only_holds, Restrictions(holds=holds))
    return next(admitted(stores, decides), None) is None


def is_held_landing(landing: Landing, holds: Sequence[Hold], closed: Collection[str] = ()) -> bool:
    """Whether it waits for the end of a pause of its target, or for that to be open again."""
    if landing.state is not LandingState.QUEUED:
        return False
    is_paused = any(hold.stops_landing and hold.name == landing.target for hold in holds)
    return is_paused or (landing.merge_commit is None and landing.target in closed)
