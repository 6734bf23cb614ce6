"""When cron texts are due, as clocks are put forward and back."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abathur.domain.errors import InvalidInputError
from abathur.infrastructure.timetable import local_zone, next_time

BERLIN = "Europe/Berlin"
"""Put forward on 2030-03-31 at 1:00 UTC, and back on 2030-10-27 at 1:00 UTC."""


def times(cron: str, after: str, count: int, zone: str = BERLIN) -> list[str]:
    found, moment = [], datetime.fromisoformat(after)
    for _ in range(count):
        moment = next_time(cron, zone, moment)
        found.append(f"{moment:%m-%dT%H:%M}")
    return found


def test_a_time_of_day_follows_its_zone() -> None:
    assert times("0 9 * * *", "2030-03-30T00:00Z", 3) == [
        "03-30T08:00",
        "03-31T07:00",
        "04-01T07:00",
    ]


def test_a_time_that_the_clock_leaves_out_is_due_right_after_the_gap() -> None:
    assert times("30 2 * * *", "2030-03-30T12:00Z", 2) == ["03-31T01:00", "04-01T00:30"]


@pytest.mark.parametrize("after", ["2030-10-26T12:00Z", "2030-10-27T00:29Z"])
def test_a_time_that_the_clock_repeats_is_due_once(after: str) -> None:
    assert times("30 2 * * *", after, 2) == ["10-27T00:30", "10-28T01:30"]


@pytest.mark.parametrize("after", ["00:30", "00:45", "01:10", "01:30", "01:45"])
def test_who_looks_while_the_hour_is_repeated_finds_no_time_that_is_over(after: str) -> None:
    assert times("30 2 * * *", f"2030-10-27T{after}Z", 1) == ["10-28T01:30"]


def test_what_is_due_every_half_hour_goes_by_real_time() -> None:
    assert times("*/30 * * * *", "2030-10-27T00:00Z", 4) == [
        "10-27T00:30",
        "10-27T01:00",
        "10-27T01:30",
        "10-27T02:00",
    ]
    assert times("*/30 * * * *", "2030-03-31T00:30Z", 2) == ["03-31T01:00", "03-31T01:30"]


@given(
    st.sampled_from(["30 2 * * *", "*/20 * * * *", "0 */2 * * *", "15 1-3 * * *", "@daily"]),
    st.sampled_from(["UTC", BERLIN, "America/New_York", "Australia/Lord_Howe"]),
    st.integers(0, 366 * 24 * 60),
)
def test_the_next_time_is_always_later_and_none_lies_between(
    cron: str, zone: str, minutes: int
) -> None:
    after = datetime(2030, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes, seconds=7)
    found = next_time(cron, zone, after)
    assert found > after
    between = after + (found - after) / 2
    assert next_time(cron, zone, between) == found


@pytest.mark.parametrize(
    "zone", ["", "Mars/Base", "/etc/passwd", "../../etc/passwd", "Europe", "a\0b"]
)
def test_a_zone_that_isnt_one_is_refused(zone: str) -> None:
    with pytest.raises(InvalidInputError, match="isn't known on this machine"):
        next_time("@daily", zone, datetime(2030, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    "cron", ["", "soon", "* * * * * *", "61 * * * *", "0 0 30 2 *", "*/0 * * * *", "1," * 200]
)
def test_a_text_that_is_never_due_or_cant_be_read_is_refused(cron: str) -> None:
    with pytest.raises(InvalidInputError, match=r"^cron: "):
        next_time(cron, "UTC", datetime(2030, 1, 1, tzinfo=UTC))


def test_the_zone_of_the_machine_has_a_name_that_can_be_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = datetime(2030, 1, 1, tzinfo=UTC)
    assert next_time("@daily", local_zone(), now) > now
    monkeypatch.setenv("TZ", "America/New_York")
    assert local_zone() == "America/New_York"
    monkeypatch.setenv("TZ", "<+03>-3")
    assert next_time("@daily", local_zone(), now) > now
