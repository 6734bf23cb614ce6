"""Candidates of one task that are made at once: further ones begin beside those under way.

They share the claim of their task, its lease and its fence. So one worker holds them all, and what
ends the claim ends each of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from abathur.domain import candidates
from abathur.domain.admission import AdmissionRules, Candidate
from abathur.domain.audit import Action
from abathur.domain.loop_verdicts import over
from abathur.domain.loops.specs import loop_spec
from abathur.domain.records import changed
from abathur.domain.runs import Attempt
from abathur.domain.tasks import Task, TaskStatus
from abathur.ports.stores import Stores
from abathur.services import admitting, budgeting, claiming, looping, pooling, trail
from abathur.services.claiming import Claim
from abathur.services.looping import LoopView


def at_work(stores: Stores, attempt: Attempt) -> int:
    """How many others run under the same claim."""
    return sum(
        one.ended_at is None and one.fence == attempt.fence and one.number != attempt.number
        for one in stores.attempts.of_task(attempt.task_id)
    )


def runs(stores: Stores, found: LoopView) -> Mapping[int, Attempt]:
    """Candidate -> the attempt that is making it."""
    return {
        candidates.number_for(found.spec, found.measured, one): one
        for one in stores.attempts.of_task(found.task.id)
        if one.ended_at is None and one.fence == found.task.fence
    }


def joinable(stores: Stores, task_id: str, fence: int) -> Sequence[int]:
    """Candidates that could begin beside those under way: each is tried once under a claim."""
    task, loop = stores.tasks.get(task_id), stores.loops.get(task_id)
    if task is None or loop is None or loop.stop_as is not None:
        return ()
    spec = loop_spec(loop.spec)
    if not spec.candidates or task.fence != fence or task.status is not TaskStatus.RUNNING:
        return ()
    measured = candidates.in_turn(spec, stores.loops.iterations(task_id))
    if over(spec, looping.spent(stores, task_id), len(measured)) is not None:
        return ()
    done = {one.number for one in measured}
    for one in stores.attempts.of_task(task_id):
        if one.fence == fence:
            done.add(candidates.number_for(spec, measured, one))
    return candidates.missing(spec, done)


def may_join(
    stores: Stores, task_id: str, fence: int, rules: AdmissionRules, now: datetime
) -> bool:
    """Whether `join` is worth a write transaction."""
    if not joinable(stores, task_id, fence):
        return False
    task = stores.tasks.get(task_id)
    return task is not None and _is_admitted(stores, task, rules, now)


def join(
    stores: Stores,
    task_id: str,
    *,
    fence: int,
    worker_id: str,
    limit: int,
    now: datetime,
    rules: AdmissionRules,
) -> Sequence[Claim]:
    """Begin up to `limit` further candidates of a task that the worker holds.

    Each counts like a task of its own against limits, budgets and pools. Empty when the claim is
    over, everything is begun, or nothing more is admitted.
    """
    claims: list[Claim] = []
    stores.admission.take_turn()
    for number in joinable(stores, task_id, fence)[:limit]:
        task = stores.tasks.get(task_id)
        if task is None or not _is_admitted(stores, task, rules, now):
            break
        claims.append(_begin(stores, task, number, worker_id, now))
        budgeting.reserve(stores, rules, [claims[-1].task], now)
        pooling.begin_probes(stores, rules, [claims[-1].task], now)
    return claims


def _is_admitted(stores: Stores, task: Task, rules: AdmissionRules, now: datetime) -> bool:
    seen = Candidate(id=task.id, agent_type=task.agent_type, target=task.feature_branch)
    return admitting.admission(stores, rules, now).refuses(seen) is None


def _begin(stores: Stores, task: Task, number: int, worker_id: str, now: datetime) -> Claim:
    loop = stores.loops.get(task.id)
    assert loop is not None
    told = candidates.facts(loop_spec(loop.spec), stores.loops.iterations(task.id), number)
    counted = changed(
        task, attempt_count=task.attempt_count + 1, fence=task.fence, last_updated_at=now
    )
    attempt = claiming.new_attempt(counted, worker_id, now, told)
    stores.attempts.insert(attempt)
    actor = claiming.actor_of(worker_id)
    trail.save(stores, Action.CANDIDATE_BEGUN, task, counted, actor, now, candidate=number)
    return Claim(counted, attempt)
