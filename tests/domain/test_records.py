"""Records: made and changed as a whole, and still what a frozen dataclass is."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError, field, replace

import pytest

from abathur.domain.records import changed, made, record


@record
class Point:
    x: int
    y: int = 0


@record
class Other:
    x: int
    y: int = 0


def test_a_record_is_a_frozen_dataclass() -> None:
    point = Point(x=1)
    assert (point.x, point.y) == (1, 0)
    assert point == Point(y=0, x=1)
    assert hash(point) == hash(Point(x=1, y=0))
    assert repr(point).endswith("Point(x=1, y=0)")
    assert replace(point, y=2) == Point(x=1, y=2)
    with pytest.raises(FrozenInstanceError):
        point.x = 2  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        del point.x
    assert point != Point(x=2, y=0)
    assert point != Other(x=1, y=0)  # type: ignore[comparison-overlap]
    assert pickle.loads(pickle.dumps(point)) == point


@pytest.mark.parametrize("values", [{}, {"y": 1}, {"x": 1, "z": 2}])
def test_missing_and_unknown_fields_are_refused(values: dict[str, int]) -> None:
    with pytest.raises(TypeError, match="Point: missing or unknown"):
        Point(**values)


@record
class Listed:
    names: list[str] = field(default_factory=list)
    x: int = 0


def test_a_field_that_isnt_given_is_made_anew_for_each_record() -> None:
    one, other = Listed(x=1), Listed()
    one.names.append("a")
    assert (one.names, other.names) == (["a"], [])
    assert Listed(names=["b"]).names == ["b"]


def test_a_changed_record_is_another_one() -> None:
    point = Point(x=1, y=2)
    assert changed(point, y=3) == Point(x=1, y=3)
    assert point == Point(x=1, y=2)
    with pytest.raises(TypeError, match="Point has no field z"):
        changed(point, z=3)


def test_a_record_is_made_of_a_dict() -> None:
    assert made(Point, {"x": 1, "y": 2}) == Point(x=1, y=2)
