"""What a swarm with room for a run asks the queue, in one question: each costs a thread's turn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from abathur.domain.admission import UNLIMITED, AdmissionRules
from abathur.domain.closed_targets import Closure
from abathur.ports.stores import Stores
from abathur.services import admitting, reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    has_work: bool
    next_change: datetime | None
    """When a task is due or a hold ends."""
    closures: Mapping[str, Closure] = field(default_factory=dict)
    """Targets that waiting tasks can't land on; where nothing runs here and there is no work."""
    rest: str | None = None
    """Why nothing can move, `idle` or `held`; where nothing runs or lands here."""


def look(
    stores: Stores, now: datetime, rules: AdmissionRules, *, runs: bool, is_at_rest: bool
) -> Look:
    """`runs` says whether anything runs here, `is_at_rest` whether neither runs nor lands."""
    upcoming = next_change(stores, now)
    if has_work(stores, now, rules):
        return Look(has_work=True, next_change=upcoming)
    return Look(
        has_work=False,
        next_change=upcoming,
        closures={} if runs else admitting.closures(stores, rules),
        rest=_rest(stores, now, rules) if is_at_rest else None,
    )


def next_change(stores: Stores, now: datetime) -> datetime | None:
    times = (stores.claims.next_due(), stores.admission.next_end(now))
    return min((time for time in times if time is not None), default=None)


def has_work(stores: Stores, now: datetime, rules: AdmissionRules = UNLIMITED) -> bool:
    """Whether claiming is worth a write transaction."""
    due = stores.claims.next_due()
    return (due is not None and due <= now) or admitting.has_admitted(stores, rules, now)


def _rest(stores: Stores, now: datetime, rules: AdmissionRules) -> str | None:
    if reading.is_idle(stores):
        return "idle"
    return "held" if admitting.is_held_up(stores, rules, now) else None
