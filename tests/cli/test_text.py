import unicodedata
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abathur.cli.text import age, clean, clean_block, columns, cut, iso, length, pad

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)


@given(st.text())
def test_clean_text_can_not_steer_a_terminal(text: str) -> None:
    cleaned = clean(text)
    categories = {unicodedata.category(character) for character in cleaned}
    assert not categories & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert clean(cleaned) == cleaned


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("a\tb\nc", "a b c"),
        ("\x1b[31mred\x1b[0m", "�[31mred�[0m"),
        ("safe\u202eevil", "safeevil"),
        ("\x9b31m", "�31m"),
        ("Grüße 世界", "Grüße 世界"),
    ],
)
def test_dangerous_characters_stay_visible(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_a_block_keeps_its_lines_and_indentation() -> None:
    assert clean_block("a\n\tb\r\n\x1bc") == ["a", "    b", "�c"]


@pytest.mark.parametrize(
    ("text", "width"), [("abc", 3), ("世界", 4), ("e\u0301", 1), ("🚀", 2), ("", 0)]
)
def test_width_is_counted_in_columns(text: str, width: int) -> None:
    assert columns(text) == width


@given(st.text(), st.integers(min_value=0, max_value=50))
def test_cut_text_fits(text: str, width: int) -> None:
    shown = cut(text, width)
    assert columns(shown) <= width
    assert shown == text or width == 0 or shown.endswith("…")


@given(st.text(max_size=30), st.booleans())
def test_padded_text_fills_its_columns(text: str, right: bool) -> None:
    assert columns(pad(clean(text), 60, right=right)) == 60


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0s"), (59, "59s"), (60, "1m"), (7200, "2h"), (86_400 * 12, "12d"), (-5, "0s")],
)
def test_ages_have_one_unit(seconds: int, shown: str) -> None:
    assert age(NOW - timedelta(seconds=seconds), NOW) == shown


def test_an_unknown_age_is_a_dash() -> None:
    assert age(None, NOW) == "-"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(None, "-"), (0, "0s"), (45.9, "45s"), (5400, "1h 30m"), (90_061, "1d 1h")],
)
def test_lengths_have_at_most_two_units(seconds: float | None, shown: str) -> None:
    assert length(seconds) == shown


def test_times_for_programs_are_utc_with_a_z() -> None:
    time = datetime(2030, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    assert iso(time) == "2030-01-01T10:00:00.000000Z"
