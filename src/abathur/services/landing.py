"""The landing queue: from a finished attempt to a proof, one landing a target at a time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from abathur.domain.admission import UNLIMITED, AdmissionRules, hold_text
from abathur.domain.audit import Action
from abathur.domain.errors import IllegalTransitionError, NotFoundError, StaleFenceError
from abathur.domain.failures import FailureClass
from abathur.domain.landing import Announcement, Landing, LandingState, Proof
from abathur.domain.leases import check_fence
from abathur.domain.records import changed
from abathur.domain.retry import may_rework
from abathur.domain.reviews import REJECTION, Review
from abathur.domain.tasks import JsonObject, Task, TaskStatus, moved
from abathur.ports.at_once import ALONE, at_once_by
from abathur.ports.stores import Stores, foreseen_by
from abathur.services import trail
from abathur.services.admitting import is_held_landing
from abathur.services.asking import Asking, approval
from abathur.services.claiming import actor_of
from abathur.services.finishing import complete, completed, fail
from abathur.services.taking_landings import Taking, take_at_once, tell_start


@dataclass(frozen=True, slots=True)
class Concluded:
    landing: Landing
    task: Task
    released: Sequence[Task] = ()
    """What the landing let go, or what its failure took along."""
    review: Review | None = None
    """What a person is asked, whose answer the landing waits for from now on."""


def claimable(
    stores: Stores, now: datetime, rules: AdmissionRules = UNLIMITED
) -> Sequence[Landing]:
    """What `claim_landings` would choose from, found by reading alone."""
    wanted = stores.landings.wanted()
    if not wanted:
        return ()
    holds = [hold for hold in stores.admission.holds() if hold.is_active(now)]
    busy = {
        landing.target
        for landing in wanted
        if landing.state is LandingState.RUNNING
        and landing.lease_until is not None
        and landing.lease_until > now
    }
    closed = rules.closed(landing.target for landing in wanted)
    return [
        landing
        for landing in wanted
        if landing.target not in busy and not is_held_landing(landing, holds, closed)
    ]


def closed_targets(stores: Stores, rules: AdmissionRules) -> frozenset[str]:
    """Targets of waiting work on which nothing can land at the moment."""
    return rules.closed(landing.target for landing in stores.landings.wanted())


@at_once_by(Taking, take_at_once)
def claim_landings(
    stores: Stores,
    *,
    worker_id: str,
    limit: int,
    now: datetime,
    lease: timedelta,
    closed: Collection[str] = (),
) -> Sequence[Landing]:
    """Take the next landings of one target, to bring them on together; see `LandingStore.claim`."""
    claimed = stores.landings.claim(worker_id, limit, now, now + lease, closed)
    for landing in claimed:
        tell_start(stores, landing, now)
    return claimed


def lost(stores: Stores, landings: Sequence[Landing]) -> frozenset[str]:
    """Ids of those that are no longer ours to land, or whose task no longer wants it."""
    gone = set()
    for landing in landings:
        try:
            _current(stores, landing)
        except (StaleFenceError, IllegalTransitionError, NotFoundError):
            gone.add(landing.id)
    return frozenset(gone)


def _current(stores: Stores, landing: Landing) -> tuple[Landing, Task]:
    """The rows as they are now, if the landing is still ours and its task still wants it."""
    now_there = stores.landings.get(landing.id)
    task = stores.tasks.get(landing.task_id)
    if now_there is None or task is None:
        raise NotFoundError(f"landing {landing.id} is gone from the database")
    check_fence(f"landing {landing.id}", now_there.fence, landing.fence)
    if task.status is not TaskStatus.RUNNING:
        raise IllegalTransitionError(f"task {task.id} is {task.status}; its work must not land")
    return now_there, task


def _is_current(landing: Landing, there: Landing | None, status: TaskStatus | None) -> bool:
    """Whether `_current` would find it as it has to be."""
    is_held = there is not None and there.fence == landing.fence
    return is_held and status is TaskStatus.RUNNING


def _foresee(stores: Stores, landing: Landing, *_: object, **__: object) -> None:
    # The task first, as everybody else locks them.
    stores.tasks.foresee(landing.task_id)
    stores.landings.foresee(landing.id)


def _foresee_announcing(
    stores: Stores, announcements: Sequence[Announcement], now: datetime
) -> None:
    for one in announcements:
        _foresee(stores, one.landing)


def _foresee_completing(stores: Stores, landing: Landing, *_: object, **__: object) -> None:
    _foresee(stores, landing)
    stores.graph.foresee(landing.task_id)


class Announcing(NamedTuple):
    """A call of `announce`."""

    announcements: Sequence[Announcement]
    now: datetime


def _announce_at_once(stores: Stores, calls: Sequence[Announcing]) -> Sequence[object]:
    wanted = [one.landing for call in calls for one in call.announcements]
    rows = stores.many.landings(one.id for one in wanted)
    statuses = stores.many.statuses(one.task_id for one in wanted)
    paused = {hold.name for hold in stores.admission.holds() if hold.stops_landing}
    done: list[object] = []
    announced: list[Landing] = []
    for call in calls:
        # Each is taken once: who comes second is done after it.
        found = [(one, rows.pop(one.landing.id, None)) for one in call.announcements]
        news = [
            _announced(there, one)
            for one, there in found
            if there is not None
            and there.target not in paused
            and _is_current(one.landing, there, statuses.get(one.landing.task_id))
        ]
        if len(news) < len(found):
            done.append(ALONE)
        else:
            announced += news
            done.append(news)
    stores.many.announce(announced)
    return done


@at_once_by(Announcing, _announce_at_once)
@foreseen_by(_foresee_announcing)
def announce(
    stores: Stores, announcements: Sequence[Announcement], now: datetime
) -> Sequence[Landing]:
    """Write down which commits the target is about to be moved to, before it is moved.

    All or none, and none while a person has paused the target. After this the tasks can't be
    cancelled until their landings have ended: their work may be in the target already. Raises
    `StaleFenceError`, `IllegalTransitionError`.
    """
    # By task, as everybody else who locks several.
    in_order = sorted(announcements, key=lambda one: one.landing.task_id)
    announced = {one.landing.id: _announce(stores, one) for one in in_order}
    _check_not_paused(stores, {one.landing.target for one in announcements}, now)
    return [announced[one.landing.id] for one in announcements]


def _check_not_paused(stores: Stores, targets: Collection[str], now: datetime) -> None:
    """A pause may have begun after the landing was claimed: its gates take long."""
    for hold in stores.admission.holds():
        if hold.stops_landing and hold.name in targets and hold.is_active(now):
            raise IllegalTransitionError(f"{hold_text(hold)}; nothing lands there")


def _announce(stores: Stores, told: Announcement) -> Landing:
    current, _ = _current(stores, told.landing)
    announced = _announced(current, told)
    stores.landings.save(announced, told.landing.fence, current)
    return announced


def _announced(current: Landing, told: Announcement) -> Landing:
    return changed(
        current,
        target_before=told.target_before,
        merge_commit=told.merge_commit,
        strategy=told.strategy,
        onto=told.onto,
    )


def withdraw_merge(stores: Stores, landing: Landing) -> Landing:
    """Take the announcement back, once it is certain that the target was not moved."""
    current, _ = _current(stores, landing)
    withdrawn = changed(current, target_before=None, merge_commit=None, onto=None)
    stores.landings.save(withdrawn, landing.fence, current)
    return withdrawn


class Concluding(NamedTuple):
    """A call of `conclude`."""

    landing: Landing
    proof: Proof
    detail: str | None
    now: datetime
    facts: JsonObject | None = None


def _conclude_at_once(stores: Stores, calls: Sequence[Concluding]) -> Sequence[object]:
    """Of tasks for which nobody waits and of which nothing is asked."""
    ids = [call.landing.task_id for call in calls]
    rows = stores.many.landings(call.landing.id for call in calls)
    busy = stores.many.asked_or_awaited(ids)
    tasks = {task.id: task for task in stores.tasks.get_many(ids) if task.id not in busy}
    done: list[object] = []
    concluded: list[Concluded] = []
    for call in calls:
        # Each is taken once: who comes second is done after it.
        there, task = rows.pop(call.landing.id, None), tasks.pop(call.landing.task_id, None)
        if (
            there is None
            or task is None
            or not _is_current(call.landing, there, task.status)
            or not _proves(call.proof, there)
        ):
            done.append(ALONE)
            continue
        one = _concluded(stores, there, task, call)
        concluded.append(one)
        done.append(one)
    stores.many.complete([one.task for one in concluded], [one.landing for one in concluded])
    return done


def _concluded(stores: Stores, current: Landing, task: Task, call: Concluding) -> Concluded:
    now, actor = call.now, actor_of(call.landing.worker_id or "")
    state = _state(call.proof)
    ended = _ended(current, state, now, detail=call.detail, proof=call.proof, facts=call.facts)
    _tell_end(stores, ended, now)
    done = completed(task, now)
    trail.tell(stores, Action.TASK_COMPLETED, task.id, actor, now, trail.changes(task, done))
    return Concluded(ended, done, [])


@at_once_by(Concluding, _conclude_at_once)
@foreseen_by(_foresee_completing)
def conclude(
    stores: Stores,
    landing: Landing,
    proof: Proof,
    *,
    detail: str | None,
    now: datetime,
    facts: JsonObject | None = None,
) -> Concluded:
    """Complete the task on the strength of a proof, and let go what waited for it."""
    current, task = _current(stores, landing)
    _check_proof(current, proof)
    ended = _ended(current, _state(proof), now, detail=detail, proof=proof, facts=facts)
    _end(stores, current, ended, now)
    actor = actor_of(landing.worker_id or "")
    done, released = complete(stores, task, actor, now)
    return Concluded(ended, done, released)


def _state(proof: Proof) -> LandingState:
    return LandingState.LANDED if proof.merge_commit else LandingState.NOTHING_CHANGED


def _check_proof(landing: Landing, proof: Proof) -> None:
    if not _proves(proof, landing):
        proven = (proof.target, proof.work_commit, proof.merge_commit)
        raise IllegalTransitionError(
            f"landing {landing.id} can't be concluded by a proof of other work: {proven}"
        )


def _proves(proof: Proof, landing: Landing) -> bool:
    proven = (proof.target, proof.work_commit, proof.merge_commit)
    wanted = (landing.target, landing.work_commit, landing.merge_commit)
    return proven == wanted and (not proof.merge_commit or proof.strategy is landing.strategy)


def refuse(
    stores: Stores,
    landing: Landing,
    state: LandingState,
    *,
    detail: str,
    facts: JsonObject,
    max_rework: int,
    now: datetime,
    asking: Asking | None = None,
) -> Concluded:
    """End the landing without success: back to an agent with the facts, or failed with them.

    The gate's output is in the file that `facts["log"]` names. With `asking` it doesn't end
    before a person has answered, where no agent is to try any more.
    """
    current, task = _current(stores, landing)
    spent = spent_rework(stores, task)
    failure = _note_failure(stores, current, state)
    if asking is not None and not may_rework(failure, spent, max_rework):
        return _leave_to_person(stores, changed(current, detail=detail, facts=facts), asking, now)
    ended = _ended(current, state, now, detail=detail, facts=facts, verify_log=facts.get("log"))
    _end(stores, current, ended, now)
    actor = actor_of(landing.worker_id or "")
    if not may_rework(failure, spent, max_rework):
        taken_along = fail(stores, task, detail, actor, now)
        return Concluded(ended, stores.tasks.get(task.id) or task, taken_along)
    again = moved(
        task, TaskStatus.READY, now, rework_count=task.rework_count + 1, error_message=detail
    )
    trail.save(stores, Action.TASK_HANDED_BACK, task, again, actor, now)
    return Concluded(ended, again)


def _leave_to_person(stores: Stores, landing: Landing, asking: Asking, now: datetime) -> Concluded:
    """Back into the queue, where it is passed over while the question is open."""
    actor = actor_of(landing.worker_id or "")
    waiting = _queued(landing)
    stores.landings.save(waiting, landing.fence)
    review = approval(stores, waiting, asking, actor=actor, now=now)
    task = stores.tasks.get(landing.task_id)
    assert task is not None  # it was just read
    return Concluded(waiting, task, review=review)


def spent_rework(stores: Stores, task: Task) -> int:
    """How often work was sent back by itself: what a person has rejected doesn't count."""
    if task.rework_count == 0:
        return 0
    ended = [one for one in stores.landings.of_task(task.id) if one.facts and one.state.is_final]
    sent_back = [one for one in ended if not one.state.is_success][-task.rework_count :]
    return sum((one.facts or {}).get("kind") != REJECTION for one in sent_back)


def _note_failure(stores: Stores, landing: Landing, state: LandingState) -> FailureClass:
    """Write down with the attempt why its work was refused."""
    is_conflict = state is LandingState.CONFLICTED
    failure = FailureClass.CONFLICT if is_conflict else FailureClass.VERIFICATION
    attempt = stores.attempts.get(landing.task_id, landing.attempt)
    if attempt is not None:
        stores.attempts.save(changed(attempt, failure_class=failure))
    return failure


def _end(stores: Stores, landing: Landing, ended: Landing, now: datetime) -> None:
    stores.landings.save(ended, landing.fence, landing)
    _tell_end(stores, ended, now)


def _ended(
    landing: Landing,
    state: LandingState,
    now: datetime,
    *,
    detail: str | None,
    proof: Proof | None = None,
    facts: JsonObject | None = None,
    verify_log: str | None = None,
) -> Landing:
    return changed(
        landing,
        state=state,
        ended_at=now,
        lease_until=None,
        fence=landing.fence + 1,
        detail=detail,
        proof=proof,
        facts=facts,
        verify_log=verify_log or landing.verify_log,
    )


def _tell_end(stores: Stores, landing: Landing, now: datetime) -> None:
    trail.record(
        stores,
        Action.LANDING_ENDED,
        landing.task_id,
        actor_of(landing.worker_id or ""),
        now,
        attempt=landing.attempt,
        state=landing.state,
        target=landing.target,
        merge_commit=landing.merge_commit,
        strategy=landing.strategy if landing.merge_commit else None,
        detail=landing.detail,
    )


def release_landing(stores: Stores, landing: Landing) -> None:
    """Give a landing back to the queue, with what it had reached."""
    current = stores.landings.get(landing.id)
    if current is None or current.fence != landing.fence or current.state.is_final:
        return
    stores.landings.save(_queued(current), landing.fence, current)


def _queued(landing: Landing) -> Landing:
    return changed(
        landing,
        state=LandingState.QUEUED,
        worker_id=None,
        lease_until=None,
        batch=None,
        fence=landing.fence + 1,
    )


def release_landings_of(stores: Stores, worker_id: str) -> Sequence[Landing]:
    """Give back everything that a dead worker was landing."""
    held = stores.landings.held(worker_id)
    for landing in held:
        release_landing(stores, landing)
    return held
