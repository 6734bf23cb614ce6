"""What is to be known of a queue from outside, read in one go."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from abathur.domain.figures import Counted, Past, Present, bounded, bounded_costs
from abathur.domain.money import CostGroup
from abathur.ports.stores import Stores


def present(stores: Stores, now: datetime) -> Present:
    holds = Counter((one.scope.value, one.cause.value) for one in stores.admission.holds())
    reviews = Counter((one.kind.value,) for one in stores.reviews.open())
    return Present(
        tasks=bounded(stores.figures.open_tasks(), 1, 2),
        ready_since=stores.figures.ready_since(),
        attempts_under_way=stores.figures.attempts_under_way(),
        landings=bounded(stores.figures.open_landings(), 1),
        pools=stores.pools.all(),
        holds=[Counted(labels, count) for labels, count in holds.items()],
        reviews=[Counted(labels, count) for labels, count in reviews.items()],
        workers=sum(one.lease_until > now for one in stores.workers.live()),
    )


def past(stores: Stores) -> Past:
    return Past(
        tasks=bounded(stores.figures.ended_tasks(), 1, 2),
        attempts=stores.figures.ended_attempts(),
        landings=bounded(stores.figures.ended_landings(), 1),
        gate_runs=bounded(stores.figures.gate_runs(), 0),
        costs=bounded_costs(stores.costs.totals(CostGroup.AGENT_TYPE, "")),
    )
