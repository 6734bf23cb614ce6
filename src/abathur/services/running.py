"""What a worker writes down about a run: its start, its events, its end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any, NamedTuple

from abathur.domain.agents import Agent
from abathur.domain.audit import Action
from abathur.domain.budgets import UNBUDGETED, SpendingRules
from abathur.domain.errors import BranchTakenError, NotFoundError
from abathur.domain.failures import WAITING
from abathur.domain.iterations import Iteration, Next, Trial, Verdict
from abathur.domain.landing import Landing
from abathur.domain.leases import check_fence
from abathur.domain.memories import MemoryRules
from abathur.domain.money import Cost
from abathur.domain.records import changed
from abathur.domain.retry import Decision, RetryAction, RetryPolicy, decide
from abathur.domain.runs import Attempt, Outcome, OutcomeKind, RunEvent
from abathur.domain.tasks import Task, TaskStatus, moved
from abathur.ports.at_once import ALONE, at_once_by
from abathur.ports.stores import Stores, foreseen_by
from abathur.services import accounting, asking, joining, learning, looping, parting, pooling, trail
from abathur.services.asking import Asking
from abathur.services.claiming import actor_of
from abathur.services.ending import awaiting_landing, ended, queued_landing
from abathur.services.finishing import fail
from abathur.services.holding import ask
from abathur.services.pooling import Draws


@dataclass(frozen=True, slots=True)
class Holder:
    """Who writes, about which run, under which fence."""

    task_id: str
    number: int
    fence: int
    worker_id: str


def _held(stores: Stores, holder: Holder) -> tuple[Task, Attempt]:
    task = stores.tasks.get(holder.task_id)
    attempt = stores.attempts.get(holder.task_id, holder.number)
    if task is None or attempt is None:
        raise NotFoundError(f"no attempt {holder.number} of a task {holder.task_id} is known")
    check_fence(f"task {holder.task_id}", task.fence, holder.fence)
    return task, attempt


def _foresee(stores: Stores, holder: Holder, *_: object, **__: object) -> None:
    stores.tasks.foresee(holder.task_id)
    stores.attempts.foresee(holder.task_id, holder.number)


@foreseen_by(_foresee)
def start(stores: Stores, /, holder: Holder, agent: Agent, now: datetime, **facts: Any) -> None:
    """Write down what the run is made of before its program starts. `facts` are attempt fields.

    Raises `StaleFenceError`, and `BranchTakenError` when another attempt was given the branch:
    of two that choose a name at the same moment, one has to choose again.
    """
    task, attempt = _held(stores, holder)
    _check_branch(stores, attempt, facts.get("branch"))
    stores.attempts.save(changed(attempt, **facts), attempt)
    stores.workers.insert_agent(agent)
    placed = changed(
        task,
        task_branch=facts.get("branch"),
        worktree_path=facts.get("worktree_path"),
        fence=task.fence,
        last_updated_at=now,
    )
    trail.save(stores, Action.ATTEMPT_STARTED, task, placed, actor_of(holder.worker_id), now)


def _check_branch(stores: Stores, attempt: Attempt, branch: str | None) -> None:
    other = stores.attempts.on_branch(branch) if branch else None
    if other and (other.task_id, other.number) != (attempt.task_id, attempt.number):
        raise BranchTakenError(f"branch `{branch}` is that of attempt {other.number} of a task")


@foreseen_by(_foresee)
def add_process(stores: Stores, holder: Holder, pid: int, pid_started_at: float) -> None:
    _, attempt = _held(stores, holder)
    stores.attempts.save(changed(attempt, pid=pid, pid_started_at=pid_started_at), attempt)


@foreseen_by(_foresee)
def add_session(stores: Stores, holder: Holder, session_id: str) -> None:
    """Write down the program's own name of the session. Raises `StaleFenceError`."""
    _, attempt = _held(stores, holder)
    if attempt.session_id != session_id:
        stores.attempts.save(changed(attempt, session_id=session_id), attempt)


def add_events(
    stores: Stores, task_id: str, number: int, events: Iterable[tuple[int, datetime, RunEvent]]
) -> None:
    """Keep events of a run. They are evidence, so they are taken from a worker without a lease."""
    stores.attempts.add_events(task_id, number, events)


def add_salvage(
    stores: Stores, task_id: str, number: int, ref: str, commit: str, now: datetime
) -> None:
    """Write down where the work of an attempt is kept. Evidence too: needs no fence."""
    attempt = stores.attempts.get(task_id, number)
    if attempt is None or attempt.salvage_ref == ref:
        return
    stores.attempts.save(changed(attempt, salvage_ref=ref, head_commit=commit), attempt)
    actor = actor_of(attempt.worker_id)
    trail.record(
        stores, Action.WORK_SALVAGED, task_id, actor, now, attempt=number, ref=ref, commit=commit
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How a run ended, as its worker saw it."""

    outcome: Outcome
    base_commit: str | None = None
    head_commit: str | None = None
    target: str | None = None
    landing_id: str = ""
    """For the landing that a success asks for."""
    chance: float = 0.0
    """Uniform in [0, 1), for the jitter of the back-off."""
    asking: Asking | None = None
    """For the question to a person that the end of the run may lead to."""
    spending: SpendingRules | None = None
    """What is known of money where the report is applied; None is nothing."""
    remembering: MemoryRules | None = None
    """The bounds of memories where the report is applied; None is the usual ones."""
    draws: Draws | None = None
    """The pools that the run drew on; None when nobody keeps track of them."""
    is_probe: bool = False
    """Whether the run tried if its pool is open again."""
    trial: Trial | None = None
    """Of a looping task: what it made and what was measured of it."""

    @property
    def is_splitting(self) -> bool:
        return self.trial is not None and self.trial.is_splitting


class Reporting(NamedTuple):
    """A call of `report`."""

    holder: Holder
    report: Report
    policy: RetryPolicy
    now: datetime


class _End(NamedTuple):
    """What a plain success is written as."""

    attempt: Attempt
    cost: Cost
    landing: Landing
    task: Task


def _report_at_once(stores: Stores, calls: Sequence[Reporting]) -> Sequence[object]:
    """Successes of runs, after which their landings are asked for."""
    tasks = {one.id: one for one in stores.tasks.get_many(call.holder.task_id for call in calls)}
    attempts = stores.many.attempts((call.holder.task_id, call.holder.number) for call in calls)
    ends: list[_End] = []
    done: list[object] = []
    for call in calls:
        holder = call.holder
        task = tasks.pop(holder.task_id, None)
        attempt = attempts.get((holder.task_id, holder.number))
        if task is None or attempt is None or task.fence != holder.fence:
            done.append(ALONE)
            continue
        end = _plain_end(stores, task, attempt, call)
        done.append(ALONE if end is None else end.task)
        if end is not None:
            ends.append(end)
    agents = {one.task.id: one.task.last_updated_at for one in ends}
    stores.many.end([one.attempt for one in ends], [one.cost for one in ends], agents)
    stores.many.ask_landings([one.task for one in ends], [one.landing for one in ends])
    return done


def _plain_end(stores: Stores, task: Task, attempt: Attempt, call: Reporting) -> _End | None:
    """With its entries in the trail; None if there is more to do than for most."""
    holder, told, _, now = call
    end = ended(attempt, told.outcome, told.head_commit, now)
    base, head, target = told.base_commit, told.head_commit, told.target
    if not (base and head and target and _is_plain(told) and accounting.is_known(end)):
        return None
    _learn(stores, task, end, told, holder, now)
    pricing = (told.spending or UNBUDGETED).pricing
    cost = accounting.cost_of(stores, task, end, target, pricing, now)
    landing = queued_landing(task, told.landing_id, target, base, head, now)
    waiting = awaiting_landing(task, told.outcome.result_data, now)
    data = {**trail.changes(task, waiting), **_end_of(holder, told.outcome)}
    actor = actor_of(holder.worker_id)
    trail.tell(stores, Action.LANDING_REQUESTED, task.id, actor, now, data)
    return _End(end, cost, landing, waiting)


def _is_plain(report: Report) -> bool:
    is_asking = report.asking is not None and report.asking.tree is not None
    is_success = report.outcome.kind is OutcomeKind.SUCCEEDED and report.trial is None
    return is_success and not is_asking and not (report.draws and report.is_probe)


@at_once_by(Reporting, _report_at_once)
@foreseen_by(_foresee)
def report(
    stores: Stores, holder: Holder, report: Report, policy: RetryPolicy, now: datetime
) -> Task:
    """End the attempt and decide what becomes of the task: landing, another try, or failed.

    Raises `StaleFenceError` when the lease was lost; then nothing is written.
    """
    task, attempt = _held(stores, holder)
    outcome = report.outcome
    end = ended(attempt, outcome, report.head_commit, now)
    stores.attempts.save(end, attempt)
    _learn(stores, task, end, report, holder, now)
    pricing = (report.spending or UNBUDGETED).pricing
    stores.costs.settle(accounting.cost_of(stores, task, end, report.target, pricing, now))
    at_work = _at_work(stores, report, attempt)
    if at_work:
        stores.workers.end_agent(task.id, attempt.number, now)
    else:
        stores.workers.end_agents(task.id, now)
    if report.draws and report.is_probe and pooling.shows_answer(outcome):
        pooling.answered(stores, report.draws, now)
    elif report.draws and report.is_probe and outcome.kind is OutcomeKind.RELEASED:
        pooling.abandon(stores, report.draws.run, now)
    actor = actor_of(holder.worker_id)
    if outcome.kind is OutcomeKind.SUCCEEDED and report.trial is None:
        return _ask_landing(stores, task, report, holder, now)
    is_split = outcome.kind is OutcomeKind.SUCCEEDED and report.is_splitting
    if is_split or outcome.kind is not OutcomeKind.SUCCEEDED or report.trial is None:
        trail.record(stores, Action.ATTEMPT_ENDED, task.id, actor, now, **_end_of(holder, outcome))
    if is_split:
        newest = looping.view(stores, task).measured[-1]
        return parting.settle(stores, task, newest.measured_at, actor=actor, now=now)
    if following := _iterated(stores, task, end, report, at_work, actor, now):
        return _follow(stores, task, report, following, holder, now, at_work)
    if at_work:
        return task  # its claim goes on with the others; this one is made under the next
    return _unlooped(stores, task, report, policy, holder, now)


def _learn(
    stores: Stores, task: Task, ended: Attempt, report: Report, holder: Holder, now: datetime
) -> None:
    if ended.result is not None:
        actor = actor_of(holder.worker_id)
        rules, content = report.remembering or MemoryRules(), ended.result.content
        learning.keep_lessons(stores, task, content, actor=actor, now=now, rules=rules)


def _unlooped(
    stores: Stores, task: Task, report: Report, policy: RetryPolicy, holder: Holder, now: datetime
) -> Task:
    """What becomes of a task whose run didn't succeed, where no loop has anything to say."""
    outcome, actor = report.outcome, actor_of(holder.worker_id)
    if outcome.denied and report.asking is not None:
        waiting = asking.permission(stores, task, outcome, report.asking, actor=actor, now=now)
        if waiting is not None:
            return waiting
    if outcome.kind.spends_retry:
        waiting = asking.wait_for_answer(stores, task, outcome.message, actor=actor, now=now)
        if waiting is not None:
            return waiting
    return after_failure(stores, task, report, policy, now, holder.worker_id)


def _at_work(stores: Stores, report: Report, attempt: Attempt) -> int:
    """How many other candidates of the task run. Of a task without a loop none do."""
    is_plain = report.trial is None and (
        report.outcome.kind is OutcomeKind.SUCCEEDED or stores.loops.get(attempt.task_id) is None
    )
    return 0 if is_plain else joining.at_work(stores, attempt)


def _iterated(
    stores: Stores,
    task: Task,
    attempt: Attempt,
    report: Report,
    at_work: int,
    actor: str,
    now: datetime,
) -> looping.Following | None:
    """What follows in a loop; None where the usual rules hold."""
    if report.outcome.kind is OutcomeKind.SUCCEEDED and report.trial is not None:
        return looping.end_iteration(
            stores, task, report.trial, report.spending, at_work=at_work, actor=actor, now=now
        )
    return looping.after_failure(
        stores,
        task,
        attempt,
        report.outcome,
        report.spending,
        at_work=at_work,
        actor=actor,
        now=now,
    )


def _follow(
    stores: Stores,
    task: Task,
    report: Report,
    following: looping.Following,
    holder: Holder,
    now: datetime,
    at_work: int,
) -> Task:
    verdict, named = following
    if verdict.next in {Next.LAND, Next.ASK} and named is not None:
        chosen = _chosen(report, named, verdict)
        return _ask_landing(stores, task, chosen, holder, now)
    actor = actor_of(holder.worker_id)
    end = _end_of(holder, report.outcome)
    if report.trial is not None:
        trail.record(stores, Action.ATTEMPT_ENDED, task.id, actor, now, **end)
    if at_work:
        return task
    if verdict.next is not Next.AGAIN:
        fail(stores, task, verdict.why, actor, now)
        return stores.tasks.get(task.id) or task
    again = moved(task, TaskStatus.READY, now, not_before=None, lost_count=0, error_message=None)
    return trail.save(stores, Action.TASK_HANDED_BACK, task, again, actor, now)


def _chosen(report: Report, named: Iteration, verdict: Verdict) -> Report:
    """The report as one of the iteration that was chosen, whichever attempt has made it."""
    asking, is_newest = report.asking, named.work_commit == report.head_commit
    if verdict.next is Next.ASK or (asking is not None and asking.tree is not None):
        asking = Asking(
            review_id=asking.review_id if asking else report.landing_id,
            tree=named.tree,
            target_commit=asking.target_commit if asking else None,
            evidence=asking.evidence if asking and is_newest else {},
            made_by=named.attempt,
            question=_question(named, verdict) if verdict.next is Next.ASK else "",
        )
    return replace(
        report,
        asking=asking,
        target=named.target,
        base_commit=named.base_commit,
        head_commit=named.work_commit,
    )


def _question(named: Iteration, verdict: Verdict) -> str:
    told = f" ({named.reading.text})" if named.reading and named.reading.text else ""
    return (
        f"The loop ended without converging: {verdict.why}. May its best iteration, "
        f"{named.number}, land on {named.target}?{told}"
    )


def _end_of(holder: Holder, outcome: Outcome) -> dict[str, Any]:
    end = {"attempt": holder.number, "outcome": outcome.kind, "exit_code": outcome.exit_code}
    return end if outcome.failure is None else {**end, "failure_class": outcome.failure}


def _ask_landing(stores: Stores, task: Task, report: Report, holder: Holder, now: datetime) -> Task:
    """From here on the landing carries the task; no worker needs to hold it."""
    assert report.base_commit
    assert report.head_commit
    assert report.target
    landing = queued_landing(
        task, report.landing_id, report.target, report.base_commit, report.head_commit, now
    )
    stores.landings.insert(landing)
    if report.asking is not None and report.asking.tree is not None:
        actor = actor_of(holder.worker_id)
        asking.approval(stores, landing, report.asking, actor=actor, now=now)
    waiting = awaiting_landing(task, report.outcome.result_data, now)
    actor, end = actor_of(holder.worker_id), _end_of(holder, report.outcome)
    # The attempt has ended, and its landing is asked for: one change, one entry.
    return trail.save(stores, Action.LANDING_REQUESTED, task, waiting, actor, now, **end)


def after_failure(
    stores: Stores,
    task: Task,
    report: Report,
    policy: RetryPolicy,
    now: datetime,
    worker_id: str,
) -> Task:
    """Hand the running task back for another try, now or later, or let it fail."""
    outcome, actor = report.outcome, actor_of(worker_id)
    if report.draws:
        outcome = pooling.taken_for(stores, report.draws, outcome)
    decision = decide(
        outcome,
        wait_count=_waits(stores, task, outcome),
        retry_count=task.retry_count,
        max_retries=task.max_retries,
        lost_count=task.lost_count + (outcome.kind is OutcomeKind.LOST),
        policy=policy,
        chance=report.chance,
    )
    if decision.action is RetryAction.ASK:
        ask(stores, task, outcome, (report.spending or UNBUDGETED), actor, now)
    elif decision.action is not RetryAction.RETRY:
        fail(stores, task, outcome.message or f"the attempt ended: {outcome.kind}", actor, now)
        return stores.tasks.get(task.id) or task
    elif report.draws and pooling.is_refusal(outcome) and not decision.spends:
        until = pooling.refused(stores, report.draws, outcome, policy, now)
        decision = replace(decision, delay=max(decision.delay, (until or now) - now))
    return _try_again(stores, task, outcome, decision, actor, now)


def _waits(stores: Stores, task: Task, outcome: Outcome) -> int:
    """How many attempts in a row before this one were refused by the provider."""
    if not pooling.is_refusal(outcome):
        return 0
    earlier = [a for a in stores.attempts.of_task(task.id) if a.number < task.attempt_count]
    refusals = takewhile(lambda a: a.failure_class in WAITING, reversed(earlier))
    return sum(1 for _ in refusals)


def _try_again(
    stores: Stores, task: Task, outcome: Outcome, decision: Decision, actor: str, now: datetime
) -> Task:
    lost = task.lost_count + 1 if outcome.kind is OutcomeKind.LOST else 0
    later = decision.delay > timedelta(0)
    again = moved(
        task,
        TaskStatus.PENDING if later else TaskStatus.READY,
        now,
        not_before=now + decision.delay if later else None,
        retry_count=task.retry_count + int(decision.spends),
        lost_count=lost,
        error_message=outcome.message or None,
    )
    action = Action.TASK_BACKED_OFF if later else Action.TASK_HANDED_BACK
    return trail.save(stores, action, task, again, actor, now)


def take_back(
    stores: Stores,
    task_id: str,
    *,
    fence: int,
    worker_id: str,
    policy: RetryPolicy,
    chance: float,
    now: datetime,
) -> Task:
    """Queue an adopted task again, after its processes were ended and its work was kept."""
    task = stores.tasks.get(task_id)
    if task is None:
        raise NotFoundError(f"no task has the id {task_id}")
    check_fence(f"task {task_id}", task.fence, fence)
    lost = Outcome(kind=OutcomeKind.LOST, message="the worker of its last attempt was gone")
    return after_failure(stores, task, Report(outcome=lost, chance=chance), policy, now, worker_id)
