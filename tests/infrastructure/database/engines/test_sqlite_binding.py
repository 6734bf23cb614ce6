"""What a statement takes, picked out of what a store hands over, and stored as columns hold it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum

import apsw
import pytest

from abathur.infrastructure.database.codecs import to_column
from abathur.infrastructure.database.engines.sqlite_binding import Bound, stored


class Colour(StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("sql", "values"),
    [
        ("SELECT 1", ()),
        ("SELECT :a", (1,)),
        ("SELECT :b, :a, :b, ':c'", (2, 1)),
    ],
)
def test_each_value_is_picked_once_in_the_order_of_its_first_use(
    sql: str, values: Sequence[int]
) -> None:
    pick = Bound()[sql]
    assert pick({"a": 1, "b": 2, "d": 4}) == values


def test_a_value_that_is_missing_is_named() -> None:
    with pytest.raises(KeyError, match="b"):
        Bound()["SELECT :a, :b"]({"a": 1})


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        2**62,
        1.5,
        "text",
        b"\x00\x01",
        Colour.RED,
        datetime(2030, 1, 31, 12, tzinfo=UTC),
        {"at": datetime(2030, 1, 31, tzinfo=UTC), "colour": Colour.RED},
        ["a", 2**70],
        (),
    ],
    ids=repr,
)
def test_the_driver_stores_a_value_as_the_codecs_do(value: object) -> None:
    cursor = apsw.Connection(":memory:").cursor()
    cursor.convert_binding = stored
    assert cursor.execute("SELECT ?", (value,)).fetchall() == [(to_column(value),)]


def test_what_no_column_can_hold_is_refused() -> None:
    with pytest.raises(TypeError, match="a column can't hold a complex"):
        stored(None, 1, 1j)
