"""Figures whose labels stay few, whatever a queue holds."""

from dataclasses import fields

from abathur.domain.figures import MOST_VALUES, OTHER, Counted, bounded, bounded_costs
from abathur.domain.money import CostTotal


def test_what_is_seldom_is_told_together() -> None:
    rows = [Counted(("ready", f"type-{n}", "main"), n) for n in range(1, 101)]
    rows += [Counted(("ready", "type-1", "dev"), 500)]
    found = bounded(rows, 1, 2)
    assert sum(one.count for one in found) == sum(one.count for one in rows)
    kinds = {one.labels[1] for one in found}
    assert len(kinds) == MOST_VALUES + 1
    assert {"type-1", "type-100", OTHER} <= kinds
    assert bounded(rows[:3], 1, 2) == rows[:3]


def test_costs_that_are_seldom_are_added_up() -> None:
    numbers = [one.name for one in fields(CostTotal) if one.name != "name"]
    rows = [CostTotal(name=f"type-{n}", **dict.fromkeys(numbers, n)) for n in range(1, 101)]
    found = bounded_costs(rows)
    assert len(found) == MOST_VALUES + 1
    assert found[-1].name == OTHER
    assert sum(one.known_usd for one in found) == sum(range(1, 101))
