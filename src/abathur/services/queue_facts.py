"""What waits for what, over the whole queue: the same facts for all views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from abathur.domain.admission import (
    Admission,
    AdmissionRules,
    Candidate,
    Hold,
    Refusal,
    RefusalKind,
)
from abathur.domain.landing import Landing
from abathur.domain.schedules import Schedule
from abathur.ports.admission import Closed
from abathur.ports.stores import Stores
from abathur.services import admitting
from abathur.services.pausing import is_over
from abathur.services.reading import SwarmStatus, swarm_status

LOOKED_AT: Final = 5000
"""Ready tasks that are asked about one by one; beyond that only the first ones are told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Ready tasks that may not be claimed for one and the same reason."""

    kind: RefusalKind
    text: str
    until: datetime | None
    since: datetime | None
    """When a hold began."""
    hold: Hold | None = None
    tasks: Sequence[str]
    """Their ids, the most urgent first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueFacts:
    holds: Sequence[Hold]
    """The active ones, also those that hold nothing at the moment."""
    refused: Sequence[Refused]
    admitted: int
    """How many ready tasks wait for nothing but a free agent."""
    is_partial: bool
    """There are more ready tasks than were looked at."""
    held_landings: Sequence[Landing]
    """Those that wait for the end of a pause of their target, or for that to be open again."""
    closed_targets: Mapping[str, str] = field(default_factory=dict)
    """Of those, the targets that nothing can land on -> what is wrong with them."""
    next_schedule: Schedule | None = None
    """The one that is due next."""

    @property
    def waiting(self) -> int:
        return sum(len(group.tasks) for group in self.refused)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The swarm and the queue at one moment."""

    status: SwarmStatus
    queue: QueueFacts


def seen(stores: Stores, rules: AdmissionRules, now: datetime) -> Seen:
    return Seen(status=swarm_status(stores), queue=queue_facts(stores, rules, now))


def queue_facts(stores: Stores, rules: AdmissionRules, now: datetime) -> QueueFacts:
    """Costs next to nothing while nothing restricts claiming."""
    decides = admitting.admission(stores, rules, now)
    holds = decides.restrictions.holds
    is_closed = admitting.has_closed(stores, rules, LOOKED_AT)
    restricted = bool(decides.restrictions) or rules.restricts or is_closed
    tasks = stores.admission.candidates(None, LOOKED_AT + 1, Closed()) if restricted else ()
    found = _refused(decides, tasks[:LOOKED_AT])
    landings = stores.landings.open() if holds or rules.closure else ()
    closed = rules.closures(one.target for one in landings)
    waiting = [one for one in landings if admitting.is_held_landing(one, holds, closed)]
    return QueueFacts(
        holds=[hold for hold in holds if not is_over(stores, hold, now)],
        refused=found,
        admitted=len(tasks[:LOOKED_AT]) - sum(len(group.tasks) for group in found),
        is_partial=len(tasks) > LOOKED_AT,
        held_landings=waiting,
        closed_targets={
            one.target: closed[one.target].text for one in waiting if one.target in closed
        },
        next_schedule=_next_schedule(stores),
    )


def _next_schedule(stores: Stores) -> Schedule | None:
    """Few queues have any, so one look at the index answers it mostly."""
    if stores.schedules.next_at() is None:
        return None
    waiting = [one for one in stores.schedules.all() if one.next_at is not None]
    return min(waiting, key=lambda one: (one.next_at, one.name), default=None)


def _refused(decides: Admission, tasks: Sequence[Candidate]) -> list[Refused]:
    """In the order of their most urgent tasks."""
    ids: dict[str, list[str]] = {}
    reasons: dict[str, Refusal] = {}
    for task in tasks:
        refusal = decides.refuses(task)
        if refusal is not None:
            ids.setdefault(refusal.text, []).append(task.id)
            reasons.setdefault(refusal.text, refusal)
    return [
        Refused(
            kind=reason.kind,
            text=text,
            until=reason.until,
            since=reason.hold.created_at if reason.hold else None,
            hold=reason.hold,
            tasks=ids[text],
        )
        for text, reason in reasons.items()
    ]
