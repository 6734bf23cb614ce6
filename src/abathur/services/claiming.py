"""Handing tasks out: each to one worker, for as long as it renews its lease."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Final, NamedTuple

from abathur.domain.admission import UNLIMITED, AdmissionRules
from abathur.domain.agents import Worker
from abathur.domain.audit import Action
from abathur.domain.leases import check_fence
from abathur.domain.money import UNPRICED, Pricing
from abathur.domain.questions import ANSWER
from abathur.domain.records import changed
from abathur.domain.runs import Attempt, OutcomeKind
from abathur.domain.tasks import JsonObject, Task, TaskStatus, moved
from abathur.ports.at_once import ALONE, at_once_by
from abathur.ports.stores import Stores
from abathur.services import accounting, admitting, asking, budgeting, looping, pooling, trail


@dataclass(frozen=True, slots=True)
class Claim:
    """A task that is the caller's to run, and the record of the run that begins."""

    task: Task
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Held:
    """What a worker still holds after renewing: id -> fence. What is missing here was lost."""

    tasks: Mapping[str, int]
    landings: Mapping[str, int]
    worker: Worker | None


def actor_of(worker_id: str) -> str:
    return f"worker:{worker_id}"


def promote_due(stores: Stores, now: datetime, actor: str) -> Sequence[Task]:
    """Make ready what waited for a time that has come."""
    return [_promote(stores, task, actor, now) for task in stores.claims.due(now)]


def _promote(stores: Stores, task: Task, actor: str, now: datetime) -> Task:
    ready = moved(task, TaskStatus.READY, now, not_before=None)
    return trail.save(stores, Action.TASK_READY, task, ready, actor, now)


AT_ONCE: Final = timedelta(seconds=1)
"""Calls further apart are done each at its own time."""


class Claiming(NamedTuple):
    """A call of `claim`."""

    worker_id: str
    limit: int
    now: datetime
    lease: timedelta
    rules: AdmissionRules = UNLIMITED


def claim_at_once(stores: Stores, calls: Sequence[Claiming]) -> Sequence[object]:
    """One worker's, if nothing restricts: to one call after the other, while there are tasks.

    All at the last call's time: a caller who is a moment late has the longer lease.
    """
    worker_id, _, _, lease, _ = calls[0]
    first, now = min(call.now for call in calls), max(call.now for call in calls)
    if now - first > AT_ONCE or any(
        call.worker_id != worker_id
        or call.lease != lease
        or call.rules.restricts
        or call.rules.closure is not None
        for call in calls
    ):
        return [ALONE] * len(calls)
    wanted = sum(call.limit for call in calls)
    tasks = stores.claims.claim(worker_id, wanted, now, now + lease) or ()
    begun = [_begun(stores, task, worker_id, now) for task in tasks]
    stores.many.begin([one.attempt for one in begun])
    left = iter(begun)
    return [list(islice(left, call.limit)) or ALONE for call in calls]


@at_once_by(Claiming, claim_at_once)
def claim(
    stores: Stores,
    *,
    worker_id: str,
    limit: int,
    now: datetime,
    lease: timedelta,
    rules: AdmissionRules = UNLIMITED,
) -> Sequence[Claim]:
    """Take up to `limit` ready tasks, the most urgent first. Each is handed out exactly once.

    Tasks that admission refuses are passed by: see `domain.admission`.
    """
    tasks: Sequence[Task] | None = ()
    is_open = not rules.restricts and not admitting.has_closed(stores, rules, limit)
    if is_open:
        tasks = stores.claims.claim(worker_id, limit, now, now + lease)
    if tasks is None:
        return []
    if not tasks:
        until = now + lease
        tasks = _chosen(stores, worker_id, limit, now, until, rules, is_open=is_open)
    return [_begin(stores, task, worker_id, now) for task in tasks]


def _chosen(
    stores: Stores,
    worker_id: str,
    limit: int,
    now: datetime,
    lease_until: datetime,
    rules: AdmissionRules,
    *,
    is_open: bool,
) -> Sequence[Task]:
    """Where one statement alone found nothing to claim, or isn't enough."""
    promoted = promote_due(stores, now, actor_of(worker_id))
    if is_open and not (promoted or stores.admission.restrictions(now)):
        return ()
    ids = admitting.choose(stores, rules, limit, now)
    if not ids:
        return ()
    tasks = stores.claims.claim_these(worker_id, ids, now, lease_until)
    budgeting.reserve(stores, rules, tasks, now)
    pooling.begin_probes(stores, rules, tasks, now)
    return tasks


def new_attempt(task: Task, worker_id: str, now: datetime, feedback: JsonObject | None) -> Attempt:
    """The newest of the task, by its count."""
    return Attempt(
        task_id=task.id,
        number=task.attempt_count,
        fence=task.fence,
        worker_id=worker_id,
        runtime=None,
        model=None,
        session_id=None,
        branch=None,
        worktree_path=None,
        base_commit=None,
        head_commit=None,
        salvage_ref=None,
        transcript_path=None,
        pid=None,
        pid_started_at=None,
        lease_until=task.lease_until,
        started_at=now,
        ended_at=None,
        outcome=None,
        exit_code=None,
        error_message=None,
        usage=None,
        feedback=feedback,
        failure_class=None,
        definition_version=None,
        model_choice=None,
        result=None,
    )


def _begin(stores: Stores, task: Task, worker_id: str, now: datetime) -> Claim:
    begun = _begun(stores, task, worker_id, now)
    stores.attempts.insert(begun.attempt)
    return begun


def _begun(stores: Stores, task: Task, worker_id: str, now: datetime) -> Claim:
    """With its entry in the trail; the attempt is left to the caller to write."""
    feedback = feedback_for(stores, task, task.attempt_count)
    attempt = new_attempt(task, worker_id, now, feedback)
    trail.record(
        stores,
        Action.TASK_CLAIMED,
        task.id,
        actor_of(worker_id),
        now,
        status=[TaskStatus.READY, TaskStatus.RUNNING],
        fence=task.fence,
        worker_id=worker_id,
        attempt_count=attempt.number,
        error_message=None,
        **({"started_at": now} if task.started_at == now else {}),
    )
    return Claim(task, attempt)


def feedback_for(stores: Stores, task: Task, number: int) -> JsonObject | None:
    """Why the attempt before was sent back by its landing, if it was; and what was permitted.

    For the attempt with that number, which is the newest or the next one.
    """
    if number == 1:
        return None
    landings = stores.landings.of_task(task.id) if task.rework_count else ()
    facts = landings[-1].facts if landings else None
    iterated = looping.feedback_for(stores, task)
    if iterated is not None and not (
        facts and landings[-1].attempt >= looping.newest_attempt(stores, task.id)
    ):
        facts = iterated
    answers = asking.answers(stores, task.id)
    if not answers:
        return facts
    kind = "permission" if "permissions" in answers else ANSWER
    return {**(facts or {"kind": kind}), **answers}


def renew(stores: Stores, *, worker_id: str, now: datetime, lease: timedelta) -> Held:
    """Prolong everything that a worker holds, in one transaction."""
    until = now + lease
    return Held(
        tasks=stores.claims.renew(worker_id, until),
        landings=stores.landings.renew(worker_id, until),
        worker=stores.workers.beat(worker_id, now, until),
    )


def adopt(
    stores: Stores,
    task_id: str,
    *,
    fence: int,
    worker_id: str,
    now: datetime,
    lease: timedelta,
    pricing: Pricing = UNPRICED,
) -> tuple[Task, Sequence[Attempt]]:
    """Take over a running task whose worker is gone, to clean up after it: it and what ran of it.

    Those attempts, and the newest in any case, are over from here on, and nothing that the old
    worker may still write is accepted. Raises `StaleFenceError` when somebody else was faster.
    """
    old = stores.tasks.get(task_id)
    check_fence(f"task {task_id}", old.fence if old else -1, fence)
    assert old is not None
    task = changed(
        old, worker_id=worker_id, lease_until=now + lease, fence=old.fence + 1, last_updated_at=now
    )
    trail.save(stores, Action.TASK_ADOPTED, old, task, actor_of(worker_id), now)
    left = [
        one
        for one in stores.attempts.of_task(task_id)
        if one.ended_at is None or one.number == task.attempt_count
    ]
    for attempt in left:
        if attempt.ended_at is None:
            _lose(stores, task, attempt, pricing, now)
    stores.workers.end_agents(task_id, now)
    return task, left


def _lose(stores: Stores, task: Task, attempt: Attempt, pricing: Pricing, now: datetime) -> None:
    lost = changed(
        attempt,
        ended_at=now,
        outcome=OutcomeKind.LOST,
        error_message=f"worker {attempt.worker_id} was gone",
    )
    stores.attempts.save(lost, attempt)
    pooling.abandon(stores, f"{task.id}/{lost.number}", now)
    stores.costs.settle(accounting.cost_of(stores, task, lost, None, pricing, now))
