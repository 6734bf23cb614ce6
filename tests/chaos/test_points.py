"""No place where a swarm writes is without a name, and none is forgotten."""

import dataclasses
import typing

from abathur.chaos import points
from abathur.chaos.points import Moment, Point
from abathur.ports.clock import Clock
from abathur.ports.stores import UnitOfWork
from abathur.swarm.parts import Parts
from tests.swarm.test_kill_points import MOMENTS, REFUSED, RESCUE


def test_every_transaction_of_the_swarm_has_a_name() -> None:
    found = list(points.use_cases())
    assert [place for place, name in found if not name] == []
    assert {"claim", "report", "conclude"} <= {name for _, name in found}


def test_what_only_looks_is_still_there() -> None:
    """A name that no port has any more would hide a write that is given it one day."""
    by_part = {part: set(points.methods(protocol)) for part, protocol in points.ports()}
    for part, reads in points.READS.items():
        assert reads <= by_part[part], part


def test_every_part_that_is_a_port_is_watched() -> None:
    hints = typing.get_type_hints(Parts)
    protocols = {
        field.name
        for field in dataclasses.fields(Parts)
        if getattr(hints[field.name], "_is_protocol", False)
        and hints[field.name] not in (UnitOfWork, Clock)
    }
    assert {name for name, _ in points.ports()} == protocols


def test_every_method_of_a_port_is_a_point_unless_it_only_looks() -> None:
    named = {point.name for point in points.known()}
    for part, protocol in points.ports():
        for method in set(points.methods(protocol)) - points.READS.get(part, frozenset()):
            assert f"{part}.{method}" in named


def test_the_points_that_are_killed_at_one_by_one_are_among_them() -> None:
    words = {"before": Moment.BEFORE, "after": Moment.AFTER, "during": Moment.WITHIN}
    for name, moment, _ in (*MOMENTS.values(), *REFUSED.values(), *RESCUE.values()):
        assert Point(name, words[moment]) in points.known()


def test_a_point_is_told_and_read_alike() -> None:
    for point in points.known():
        assert Point.parse(str(point)) == point
