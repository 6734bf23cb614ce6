"""Durations, counts and other people's words inside sentences."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from abathur.domain.wording import MAX_QUOTE, clock, count, quote, span


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, "0 s"),
        (0.9, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3 * 60 + 20, "3 min"),
        (3_600, "1 h"),
        (2 * 3_600 + 300, "2 h 5 min"),
        (47 * 3_600, "47 h"),
        (48 * 3_600, "2 days"),
        (9 * 86_400 + 5, "9 days"),
    ],
)
def test_durations_are_said_as_people_say_them(seconds: float, said: str) -> None:
    assert span(timedelta(seconds=seconds)) == said


def test_times_are_told_with_their_zone() -> None:
    tokyo = timezone(timedelta(hours=9), "JST")
    there = datetime(2030, 1, 31, 21, 5, 9, tzinfo=tokyo)
    assert clock(there, UTC) == "2030-01-31 12:05:09 UTC"
    assert clock(there.astimezone(UTC), tokyo) == "2030-01-31 21:05:09 JST"


def test_one_thing_is_singular() -> None:
    assert [count(number, "task") for number in (0, 1, 2)] == ["0 tasks", "1 task", "2 tasks"]


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        (None, "no reason was given"),
        (" \n ", "no reason was given"),
        ("...", "no reason was given"),
        ("  it broke.\nTraceback: ...", "it broke"),
        ("red\x1b[31m\ttext", "red [31m text"),
    ],
)
def test_a_quotation_is_one_plain_line(text: str | None, quoted: str) -> None:
    assert quote(text) == quoted


def test_a_long_quotation_is_cut() -> None:
    assert len(quote("x" * 1000)) == MAX_QUOTE
