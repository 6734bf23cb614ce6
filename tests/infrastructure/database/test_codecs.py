"""What columns hold, and what is read from them."""

from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abathur.domain.errors import DatabaseCorruptError
from abathur.infrastructure.database.codecs import (
    json_of,
    json_text,
    time_of,
    to_column,
    to_columns,
)


class Colour(StrEnum):
    RED = "red"


EAST = timezone(timedelta(hours=5, minutes=30))
NOON = datetime(2030, 1, 31, 12, 0, tzinfo=UTC)
AGE = timedelta(days=365 * 1900)
zones = st.sampled_from([UTC, EAST, timezone(timedelta(hours=-8))])
moments = st.builds(
    lambda distance, zone: (NOON + distance).astimezone(zone),
    st.timedeltas(min_value=-AGE, max_value=AGE),
    zones,
)


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (None, None),
        (True, True),
        (7, 7),
        (0.5, 0.5),
        ("ä", "ä"),
        (b"\x00", b"\x00"),
        (Colour.RED, "red"),
        (NOON, "2030-01-31T12:00:00.000000Z"),
        (NOON.astimezone(EAST), "2030-01-31T12:00:00.000000Z"),
        ({"b": [1, None], "ä": Colour.RED}, '{"b":[1,null],"ä":"red"}'),
        (("x", NOON), '["x","2030-01-31T12:00:00.000000Z"]'),
        ([], "[]"),
    ],
)
def test_values_are_stored_as(value: object, stored: object) -> None:
    assert to_column(value) == stored
    assert type(to_columns({"a": value}, ["a"])[0]) is type(stored)


@pytest.mark.parametrize("value", [object(), {1, 2}, {"a": object()}])
def test_other_values_are_refused(value: object) -> None:
    with pytest.raises(TypeError, match="can't hold"):
        to_column(value)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no zone"):
        to_column(NOON.replace(tzinfo=None))


@given(moments, moments)
def test_the_order_of_stored_times_is_the_order_of_time(a: datetime, b: datetime) -> None:
    stored_a, stored_b = str(to_column(a)), str(to_column(b))
    assert (stored_a < stored_b) == (a < b)
    assert time_of(stored_a) == a


@pytest.mark.parametrize(
    "stored",
    [
        "2030-01-31T12:00:00.000000Z",
        "2030-01-31T12:00:00Z",
        "2030-01-31T12:00:00",
        "2030-01-31 12:00:00",
        "2030-01-31T17:30:00+05:30",
        "2030-01-31T12:00:00.000000+00:00",
    ],
)
def test_times_of_older_files_are_read(stored: str) -> None:
    assert time_of(stored) == NOON


@pytest.mark.parametrize("nothing", [None, ""])
def test_nothing_is_read_as_none(nothing: str | None) -> None:
    assert time_of(nothing) is None
    assert json_of(nothing) is None


@pytest.mark.parametrize("value", [2**64, -(2**70), [2**100], {"1": 0.1}])
def test_numbers_keep_their_precision(value: object) -> None:
    assert json_of(json_text(value)) == value


def test_stored_json_is_read() -> None:
    assert json_of('{"ä":[1]}') == {"ä": [1]}
    assert json_of(b"[null]") == [None]


def test_nonsense_in_a_column_is_damage() -> None:
    with pytest.raises(DatabaseCorruptError, match="`soon`"):
        time_of("soon")
    with pytest.raises(DatabaseCorruptError, match="JSON"):
        json_of("{")
