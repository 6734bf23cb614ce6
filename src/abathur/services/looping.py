"""Loops: given to tasks, brought forward one iteration at a time, asked to end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from abathur.domain import candidates
from abathur.domain.audit import Action
from abathur.domain.budgets import UNBUDGETED, BudgetScope, SpendingRules
from abathur.domain.errors import IllegalTransitionError, InvalidInputError, NotFoundError
from abathur.domain.iterations import Iteration, Loop, Next, Trial, Verdict
from abathur.domain.leases import check_fence
from abathur.domain.loop_feedback import feedback
from abathur.domain.loop_verdicts import Situation, Spent, best_of, decide, is_improved, over
from abathur.domain.loops.readings import reading
from abathur.domain.loops.specs import (
    MAX_ITERATIONS,
    Choice,
    LoopSpec,
    Otherwise,
    Strategy,
    loop_spec,
)
from abathur.domain.records import changed
from abathur.domain.runs import Attempt, Outcome
from abathur.domain.splitting import JOIN, MOST_PARTS, SPLIT, lost_part
from abathur.domain.tasks import JsonObject, Task, TaskStatus
from abathur.domain.wording import count, quote
from abathur.ports.stores import Stores
from abathur.services import splitting, trail
from abathur.services.budgeting import next_usd

Following = tuple[Verdict, Iteration | None]
"""What follows, and the iteration that it names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopView:
    """A loop with its history."""

    task: Task
    loop: Loop
    spec: LoopSpec
    iterations: Sequence[Iteration]
    spent: Spent
    refused: frozenset[str] = frozenset()
    """Commits that couldn't land, or that a person didn't want to."""

    @property
    def best(self) -> Iteration | None:
        """Of what may still land, or has landed."""
        return best_of(self.measured, self.refused)

    @property
    def most(self) -> int:
        """Iterations or candidates. A retry adds one to candidates that are all made."""
        return max(self.spec.max_iterations, len(self.measured))

    @property
    def is_all_made(self) -> bool:
        """Whether there is no candidate left to make."""
        return len(self.measured) >= len(self.spec.candidates)

    @property
    def measured(self) -> Sequence[Iteration]:
        return candidates.in_turn(self.spec, self.iterations)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What an attempt of a looping task is to do."""

    spec: LoopSpec
    number: int
    choice: Choice
    checkpoint: Iteration | None = None
    """Work that is done and only has to be measured."""
    is_splitting: bool = False
    """The agent is asked for parts of the task."""
    is_settling: bool = False
    """There is nothing to run: the loop was asked to end, and something was made."""
    base: Iteration | None = None
    """The newest one that was measured."""
    verdict: Verdict | None = None
    """What led to this iteration."""
    shares: int = 1
    """How many candidates have to do with what is left; the limits here are for this one alone."""
    seconds_left: int | None = None
    usd_left: float | None = None
    judges_usd: float = 0.0
    """How much of `usd_left` is kept from the agent, for those who look at what it makes."""
    tokens_left: int | None = None


def start(stores: Stores, task_id: str, spec: JsonObject, *, now: datetime, actor: str) -> LoopView:
    """Give a task a loop. Raises `NotFoundError`, `InvalidInputError`, `IllegalTransitionError`."""
    task = stores.tasks.get(task_id)
    if task is None:
        raise NotFoundError(f"no task has the id {task_id}")
    if task.status.is_final or task.status is TaskStatus.RUNNING:
        hint = "wait for its attempt" if task.status is TaskStatus.RUNNING else "retry it first"
        raise IllegalTransitionError(
            f"task {task_id} is {task.status} and can't be given a loop; {hint}"
        )
    known = stores.loops.get(task_id)
    is_candidates = known is not None and loop_spec(known.spec).candidates
    is_begun = bool(known and stores.loops.iterations(task_id))
    if is_begun and (is_candidates or loop_spec(spec).candidates):
        raise InvalidInputError(
            f"task {task_id} has iterations already; candidates need a task of their own"
        )
    add(stores, task_id, spec, now=now, actor=actor)
    return view(stores, task)


def add(stores: Stores, task_id: str, spec: JsonObject, *, now: datetime, actor: str) -> None:
    """Part of a use case: write the loop and its entry."""
    loop_spec(spec)
    loop = Loop(
        task_id=task_id,
        spec=dict(spec),
        created_by=actor,
        created_at=now,
        stop_as=None,
        stopped_by=None,
    )
    stores.loops.insert(loop)
    trail.record(stores, Action.LOOP_STARTED, task_id, actor, now, spec=dict(spec))


def stop(
    stores: Stores, task: Task, stop_as: Otherwise | None, *, now: datetime, actor: str
) -> LoopView:
    """Let no further iteration begin. What becomes of the best one is as the loop says, or as told.

    Raises `NotFoundError`, `IllegalTransitionError`.
    """
    found = view(stores, task)
    if task.status.is_final:
        raise IllegalTransitionError(f"task {task.id} is {task.status}; its loop has ended")
    wanted = stop_as or found.spec.otherwise
    stores.loops.stop(task.id, wanted, actor)
    trail.record(stores, Action.LOOP_STOPPED, task.id, actor, now, stop_as=wanted)
    return view(stores, task)


def reopen(stores: Stores, task_id: str) -> None:
    """A task that is queued afresh is refined afresh, with what was made before as its history."""
    loop = stores.loops.get(task_id)
    if loop is None:
        return
    spec, done = loop_spec(loop.spec), len(stores.loops.iterations(task_id))
    written = dict(loop.spec)
    if not spec.candidates and done:
        written["max_iterations"] = min(MAX_ITERATIONS, spec.max_iterations + done)
    stores.loops.insert(changed(loop, spec=written, stop_as=None, stopped_by=None))


def view(stores: Stores, task: Task) -> LoopView:
    """Raises `NotFoundError` for a task without a loop."""
    loop = stores.loops.get(task.id)
    if loop is None:
        raise NotFoundError(
            f"task {task.id} has no loop; `abathur loop start` and `task submit --loop` make one"
        )
    return LoopView(
        task=task,
        loop=loop,
        spec=loop_spec(loop.spec),
        iterations=stores.loops.iterations(task.id),
        spent=spent(stores, task.id),
        refused=_refused(stores, task.id),
    )


def under_way(stores: Stores, limit: int) -> Sequence[LoopView]:
    """Of tasks that haven't ended, the oldest first."""
    tasks = stores.tasks.get_many(stores.loops.under_way(limit))
    return [view(stores, task) for task in tasks]


def view_if_any(stores: Stores, task: Task) -> LoopView | None:
    return None if stores.loops.get(task.id) is None else view(stores, task)


def sentences(stores: Stores, task: Task) -> Sequence[str]:
    """How the loop or the candidates of a task stand, for an explanation; none without."""
    found = view_if_any(stores, task)
    if found is None:
        return ()
    done, most = len(found.measured), found.most
    if found.spec.candidates:
        told = [f"{done} of {count(most, 'candidate')} are made and verified"]
    else:
        told = [f"its loop has made {done} of at most {count(most, 'iteration')}"]
    best = found.best
    if best is not None and best.reading is not None:
        told.append(f"the best one is number {best.number}: {quote(best.reading.text)}")
    last = found.measured[-1].verdict if found.measured else None
    if last is not None and last.next is Next.AGAIN and not found.spec.candidates:
        seen = f" as an answer to a {last.pattern.replace('_', ' ')}" if last.pattern else ""
        told.append(f"the next one goes by {last.strategy.replace('_', ' ')}{seen}")
    elif last is not None and last.next is not Next.AGAIN:
        told.append(f"it has ended: {quote(last.why)}")
    return told


def spent(stores: Stores, task_id: str) -> Spent:
    """By the attempts that have ended; costs that nobody knows are estimates."""
    seconds, tokens = 0.0, 0
    for attempt in stores.attempts.of_task(task_id):
        if attempt.ended_at is not None:
            seconds += (attempt.ended_at - attempt.started_at).total_seconds()
        if attempt.usage is not None:
            tokens += (attempt.usage.input_tokens or 0) + (attempt.usage.output_tokens or 0)
    usd, _ = stores.costs.sums(BudgetScope.TASK, task_id)
    return Spent(seconds=seconds, tokens=tokens, usd=usd)


def plan(stores: Stores, task: Task, attempt: Attempt | None = None) -> Plan | None:
    """What the attempt that begins is to do; None for a task without a loop."""
    loop = stores.loops.get(task.id)
    if loop is None:
        return None
    spec, iterations = loop_spec(loop.spec), stores.loops.iterations(task.id)
    measured = candidates.in_turn(spec, iterations)
    number = candidates.number_for(spec, measured, attempt)
    open_ones = [one for one in iterations if one.verdict is None]
    if spec.candidates:
        open_ones = [one for one in open_ones if one.number == number]
    checkpoint = next(iter(open_ones), None)
    used, shares = spent(stores, task.id), max(1, len(spec.candidates) - len(measured))
    return Plan(
        spec=spec,
        number=number,
        choice=_choice(spec, measured, number),
        checkpoint=checkpoint,
        is_settling=loop.stop_as is not None and checkpoint is None and bool(measured),
        base=measured[-1] if measured else None,
        is_splitting=bool(attempt and (attempt.feedback or {}).get("phase") == SPLIT),
        verdict=measured[-1].verdict if measured and not spec.candidates else None,
        shares=shares,
        seconds_left=_left(spec.max_seconds, used.seconds, shares),
        usd_left=None if spec.max_usd is None else max(0.0, spec.max_usd - used.usd) / shares,
        tokens_left=_left(spec.max_tokens, used.tokens, shares),
    )


def _left(limit: int | None, used: float, shares: int) -> int | None:
    return None if limit is None else max(1, int((limit - used) / shares))


def _choice(spec: LoopSpec, measured: Sequence[Iteration], number: int) -> Choice:
    """With what the next one is made; one that mends a winner's work, with what the winner was."""
    if number <= len(spec.candidates):
        return spec.candidates[number - 1]
    verdict = measured[-1].verdict if measured else None
    if verdict is None:
        return Choice()
    winner = next((one for one in measured if one.number == verdict.number), None)
    if spec.candidates and winner is not None:
        return Choice(runtime=winner.runtime, model=winner.model)
    return Choice(model=verdict.model)


def feedback_for(stores: Stores, task: Task) -> JsonObject | None:
    """For the attempt that begins; None for a task without a loop, or without any iteration."""
    loop = stores.loops.get(task.id)
    if loop is None:
        return None
    spec, iterations = loop_spec(loop.spec), stores.loops.iterations(task.id)
    measured = candidates.in_turn(spec, iterations)
    if spec.candidates and len(measured) < len(spec.candidates):
        number = candidates.number_for(spec, measured, None)
        return candidates.facts(spec, iterations, number)
    if not iterations:
        return None
    verdict = measured[-1].verdict if measured else None
    facts = feedback(spec, verdict, measured)
    if verdict is not None and verdict.strategy is Strategy.DECOMPOSE:
        facts = _phased(stores, task, facts, measured[-1])
    open_one = next((one for one in iterations if one.verdict is None), None)
    if open_one is not None:
        facts |= {"work_commit": open_one.work_commit, "onto": open_one.base_commit}
    return facts


def _phased(stores: Stores, task: Task, facts: dict[str, Any], newest: Iteration) -> dict[str, Any]:
    """First the agent is asked for parts. Once they have landed, the target is gone on from.

    Without any that landed it goes on from the best work so far, as when there are no parts.
    """
    if not splitting.is_asked(stores, task, newest):
        return {**facts, "phase": SPLIT}
    made = splitting.parts(stores, task.id, newest.measured_at)
    if lost := splitting.given_up(stores, task.id, newest.measured_at):
        facts = {**facts, "lost_parts": [lost_part(one) for one in lost[:MOST_PARTS]]}
    if not made:
        return facts
    told = {name: value for name, value in facts.items() if name not in {"work_commit", "onto"}}
    return {**told, "phase": JOIN, "parts": [one.summary for one in made]}


def newest_attempt(stores: Stores, task_id: str) -> int:
    """The one that handed in the newest measured iteration; 0 when there is none."""
    ended = [one for one in stores.loops.iterations(task_id) if one.verdict is not None]
    return max((one.attempt for one in ended), default=0)


def checkpoint(stores: Stores, iteration: Iteration, *, fence: int, actor: str) -> None:
    """Write down that the work of an iteration is done, before it is measured.

    Raises `StaleFenceError` when the lease was lost.
    """
    task = stores.tasks.get(iteration.task_id)
    check_fence(f"task {iteration.task_id}", task.fence if task else -1, fence)
    stores.loops.put(iteration)
    trail.record(
        stores,
        Action.ITERATION_MADE,
        iteration.task_id,
        actor,
        iteration.started_at,
        iteration=iteration.number,
        attempt=iteration.attempt,
        work_commit=iteration.work_commit,
    )


def end_iteration(
    stores: Stores,
    task: Task,
    trial: Trial,
    spending: SpendingRules | None,
    *,
    at_work: int = 0,
    actor: str,
    now: datetime,
) -> Following:
    """Judge what was measured and decide what follows; the iteration that the verdict names.

    Part of a use case. Counts what the iteration says of the strategy that it went by. `at_work` is
    how many candidates of the same task go on.
    """
    found = view(stores, task)
    before = found.measured
    if trial.is_settling:
        verdict = decide(_situation(stores, found, before, spending))
        ended = changed(before[-1], verdict=verdict)
    else:
        ended, verdict = _judge(stores, found, trial, spending, now, at_work)
    stores.loops.put(ended)
    read = ended.reading
    trail.record(
        stores,
        Action.ITERATION_ENDED,
        task.id,
        actor,
        now,
        iteration=ended.number,
        is_met=read.is_met if read else False,
        value=read.value if read else None,
        next=verdict.next,
        strategy=verdict.strategy,
        pattern=verdict.pattern,
        why=verdict.why,
    )
    named = next((o for o in (*before, ended) if o.number == verdict.number), None)
    return verdict, named


def _judge(
    stores: Stores,
    found: LoopView,
    trial: Trial,
    spending: SpendingRules | None,
    now: datetime,
    at_work: int,
) -> tuple[Iteration, Verdict]:
    before = found.measured
    open_one = next(one for one in found.iterations if one.number == trial.number)
    history = [one.measurement or {} for one in before]
    judged = changed(
        open_one,
        measured_at=now,
        measurement=dict(trial.measurement),
        reading=reading(found.spec, [*history, trial.measurement]),
    )
    if judged.pattern is not None and judged.strategy is not None and judged.reading is not None:
        stores.loops.add_evidence(
            found.task.agent_type,
            judged.pattern,
            judged.strategy,
            is_improved=is_improved(judged.reading, before),
        )
    verdict = decide(_situation(stores, found, [*before, judged], spending, at_work))
    return changed(judged, verdict=verdict), verdict


def _situation(
    stores: Stores,
    found: LoopView,
    iterations: Sequence[Iteration],
    spending: SpendingRules | None,
    at_work: int = 0,
) -> Situation:
    rules, used = spending or UNBUDGETED, found.spent
    if found.spec.max_usd is not None:
        # What earlier ones have cost is told with their judges.
        used = replace(used, next_usd=next_usd(stores, rules, found.task.agent_type))
    return Situation(
        spec=found.spec,
        iterations=iterations,
        spent=used,
        evidence=stores.loops.evidence(found.task.agent_type),
        refused=found.refused,
        stop_as=found.loop.stop_as,
        at_work=at_work,
    )


def judges_usd(stores: Stores, spending: SpendingRules, spec: LoopSpec) -> float:
    """What all judges of one iteration are expected to cost."""
    return sum(next_usd(stores, spending, agent_type) for agent_type in spec.judges)


def _refused(stores: Stores, task_id: str) -> frozenset[str]:
    """Work that couldn't land, or that a person didn't want to."""
    ended = [one for one in stores.landings.of_task(task_id) if one.state.is_final]
    return frozenset(one.work_commit for one in ended if not one.state.is_success)


def after_failure(
    stores: Stores,
    task: Task,
    attempt: Attempt,
    outcome: Outcome,
    spending: SpendingRules | None,
    *,
    at_work: int = 0,
    actor: str,
    now: datetime,
) -> Following | None:
    """What a run that didn't succeed leads to, None where the loop has nothing to say.

    A candidate that fails has lost, and the next one is made. Otherwise an iteration is tried again
    as any task is, unless the limits leave no room for it and there is one that could land.
    """
    if stores.loops.get(task.id) is None:
        return None
    found = view(stores, task)
    before = list(found.measured)
    if not found.is_all_made and candidates.has_lost(found.spec, before, attempt, outcome):
        before.append(candidates.lost(found.spec, before, attempt, outcome, now))
    elif at_work or not before or not (_is_spent(found) or found.loop.stop_as is not None):
        return None
    verdict = decide(_situation(stores, found, before, spending, at_work))
    if len(before) == len(found.measured) and verdict.next is Next.AGAIN:
        return None
    stores.loops.put(changed(before[-1], verdict=verdict))
    trail.record(
        stores,
        Action.ITERATION_ENDED,
        task.id,
        actor,
        now,
        iteration=before[-1].number,
        next=verdict.next,
        why=verdict.why,
    )
    return verdict, next((one for one in before if one.number == verdict.number), None)


def _is_spent(found: LoopView) -> bool:
    return over(found.spec, found.spent, 0) is not None
