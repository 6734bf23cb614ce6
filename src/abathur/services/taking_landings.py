"""Taking landings for several callers at once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from abathur.domain.audit import Action
from abathur.domain.landing import Landing, LandingState
from abathur.domain.records import changed
from abathur.ports.at_once import ALONE
from abathur.ports.stores import Stores
from abathur.services import trail
from abathur.services.claiming import AT_ONCE, actor_of


class Taking(NamedTuple):
    """A call of `claim_landings`."""

    worker_id: str
    limit: int
    now: datetime
    lease: timedelta
    closed: Collection[str] = ()


def take_at_once(stores: Stores, calls: Sequence[Taking]) -> Sequence[object]:
    """One worker's, of what wasn't begun; at the last call's time, as when tasks are claimed."""
    now = max(call.now for call in calls)
    alike = {(call.worker_id, call.lease) for call in calls}
    spread = now - min(call.now for call in calls)
    # With one for each call, it needn't be known whether a target has more of them.
    is_single = all(call.limit == 1 for call in calls)
    most = (1 if is_single else 4) * sum(call.limit for call in calls)
    found = stores.many.landable(most, now) if spread <= AT_ONCE else ()
    is_cut = len(found) == most and not is_single
    if is_cut or len(alike) > 1 or any(call.closed or call.limit < 1 for call in calls):
        return [ALONE] * len(calls)
    targets: dict[str, list[Landing]] = {}
    for one in found:
        targets.setdefault(one.target, []).append(one)
    waiting = iter(targets.values())
    done = [_taken(next(waiting, [])[: call.limit], call, now) for call in calls]
    for one in (landing for landings in done for landing in landings):
        tell_start(stores, one, now)
    stores.many.land([one for landings in done for one in landings])
    return [landings or ALONE for landings in done]


def _taken(landings: Sequence[Landing], call: Taking, now: datetime) -> Sequence[Landing]:
    return [
        changed(
            one,
            state=LandingState.RUNNING,
            worker_id=call.worker_id,
            lease_until=now + call.lease,
            fence=one.fence + 1,
            started_at=one.started_at or now,
            batch=landings[0].id,
        )
        for one in landings
    ]


def tell_start(stores: Stores, landing: Landing, now: datetime) -> None:
    actor = actor_of(landing.worker_id or "")
    data = {"attempt": landing.attempt, "batch": landing.batch}
    trail.record(stores, Action.LANDING_STARTED, landing.task_id, actor, now, **data)
