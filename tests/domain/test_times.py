"""One grammar for durations and times, wherever they are written."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abathur.domain.errors import InvalidInputError
from abathur.domain.times import (
    moment,
    parse_duration,
    parse_past,
    parse_time,
    seconds,
    whole_seconds,
)

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("90s", 90),
        ("10m", 600),
        ("1h", 3600),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        (" 2D ", 172_800),
        ("1w", 604_800),
        ("1.5h", 5400),
        ("5 m", 300),
        ("1.1m", 66),
        ("2000ms", 2),
        ("0", 0),
    ],
)
def test_durations_as_people_write_them(text: str, seconds: int) -> None:
    assert parse_duration(text, "estimate") == seconds


@pytest.mark.parametrize(
    "text", ["", "soon", "-5", "1.", ".5h", "1500ms", "h", "10 minutes", "٣m", "²", "1h,2m"]
)
def test_what_is_no_duration_is_named(text: str) -> None:
    with pytest.raises(InvalidInputError, match=r"^estimate: `.*` isn't a duration; write"):
        parse_duration(text, "estimate")


@pytest.mark.parametrize(
    ("text", "found"), [("0.5", 0.5), ("250ms", 0.25), ("1s 250ms", 1.25), ("1m30", None)]
)
def test_settings_may_be_fractions(text: str, found: float | None) -> None:
    assert seconds(text) == found
    assert whole_seconds(text) is None


@given(st.text())
def test_any_text_is_a_duration_or_invalid_input(text: str) -> None:
    with suppress(InvalidInputError):
        assert parse_duration(text, "x") >= 0


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2030-01-31T18:00:00Z", datetime(2030, 1, 31, 18, tzinfo=UTC)),
        ("2030-01-31T18:00Z", datetime(2030, 1, 31, 18, tzinfo=UTC)),
        ("2030-01-31T18:00:00+02:00", datetime(2030, 1, 31, 16, tzinfo=UTC)),
        ("2030-01-31 18:00:00.25-01:00", datetime(2030, 1, 31, 19, 0, 0, 250_000, tzinfo=UTC)),
        ("+2h", NOW + timedelta(hours=2)),
        ("+3d", NOW + timedelta(days=3)),
        ("+90", NOW + timedelta(seconds=90)),
    ],
)
def test_times_are_iso_with_a_zone_or_relative(text: str, time: datetime) -> None:
    found = parse_time(text, "deadline", NOW)
    assert found == time
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("tomorrow", "isn't a time"),
        ("2030-02-30T00:00Z", "isn't a time"),
        ("2030-01-31", "has no time zone"),
        ("2030-01-31T18:00:00", "has no time zone"),
        ("0001-01-01T00:00:00+10:00", "isn't a time"),
        ("+999999999w", "isn't a time"),
        ("+soon", "isn't a duration"),
        ("+", "isn't a duration"),
        ("", "isn't a time"),
    ],
)
def test_bad_times_are_named(text: str, problem: str) -> None:
    with pytest.raises(InvalidInputError, match=f"^deadline: `.*` {problem}"):
        parse_time(text, "deadline", NOW)


def test_a_plan_may_give_a_time_without_a_zone_for_others_to_judge() -> None:
    assert moment(" 2030-01-31 ", NOW) == datetime(2030, 1, 31)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("now", NOW),
        ("2h ago", NOW - timedelta(hours=2)),
        (" 1d 12h AGO ", NOW - timedelta(hours=36)),
        ("90 ago", NOW - timedelta(seconds=90)),
        ("2029-12-31T12:00:00Z", NOW - timedelta(days=1)),
        ("2030-01-01T12:00:00+01:00", NOW - timedelta(hours=1)),
        ("+0s", NOW),
    ],
)
def test_times_that_have_been(text: str, time: datetime) -> None:
    assert parse_past(text, "at", NOW) == time


@pytest.mark.parametrize(
    "text",
    ["", "ago", "soon ago", "+1s", "2030-01-01T12:00:01Z", "2029-12-31T12:00:00", "999999d ago"],
)
def test_what_is_no_time_that_has_been_is_named(text: str) -> None:
    with pytest.raises(InvalidInputError, match=r"^at: `"):
        parse_past(text, "at", NOW)


@given(st.text())
def test_any_text_is_a_time_that_has_been_or_invalid_input(text: str) -> None:
    with suppress(InvalidInputError):
        assert parse_past(text, "at", NOW) <= NOW
