"""Counts of a queue as it is and of what has ended, for who watches it from outside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from abathur.domain.money import CostTotal
from abathur.domain.pools import Pool

MOST_VALUES: Final = 50
"""Of one label that names something of the project's own; what is less frequent is `OTHER`."""
OTHER: Final = "(other)"


@dataclass(frozen=True, slots=True)
class Counted:
    labels: tuple[str, ...]
    """Empty text where there is no value."""
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """What is now: cheap, whatever has been."""

    tasks: Sequence[Counted]
    """By status, agent type, target."""
    ready_since: datetime | None
    attempts_under_way: int
    landings: Sequence[Counted]
    """By state, target."""
    pools: Sequence[Pool]
    holds: Sequence[Counted]
    """By scope, cause."""
    reviews: Sequence[Counted]
    """Open ones by kind."""
    workers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What has ended, as far as it wasn't pruned."""

    tasks: Sequence[Counted]
    attempts: Sequence[Counted]
    """By outcome, class of failure."""
    landings: Sequence[Counted]
    gate_runs: Sequence[Counted]
    """By gate, verdict."""
    costs: Sequence[CostTotal]
    """By agent type."""


def bounded(rows: Sequence[Counted], *places: int) -> Sequence[Counted]:
    """With at most `MOST_VALUES` and one more for the labels at these places."""
    for place in places:
        known = _frequent(Counter[str](), [(row.labels[place], row.count) for row in rows])
        sums: Counter[tuple[str, ...]] = Counter()
        for row in rows:
            value = row.labels[place] if row.labels[place] in known else OTHER
            sums[(*row.labels[:place], value, *row.labels[place + 1 :])] += row.count
        rows = [Counted(labels, count) for labels, count in sums.items()]
    return rows


def _frequent(sums: Counter[str], rows: Sequence[tuple[str, int]]) -> set[str]:
    for value, count in rows:
        sums[value] += count
    return {value for value, _ in sums.most_common(MOST_VALUES)}


def bounded_costs(totals: Sequence[CostTotal]) -> Sequence[CostTotal]:
    """The others together, under one name."""
    by_count = sorted(totals, key=lambda one: (-one.attempts, one.name))
    shown, rest = by_count[:MOST_VALUES], by_count[MOST_VALUES:]
    if not rest:
        return shown
    names = [name for name in CostTotal.__dataclass_fields__ if name != "name"]
    sums = {name: sum(getattr(one, name) for one in rest) for name in names}
    return [*shown, CostTotal(name=OTHER, **sums)]
