"""Patterns of paths: what is refused, what they fit, and that no overlap is missed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abathur.domain.errors import InvalidInputError
from abathur.domain.patterns import checked, fits, overlap

PARTS = st.sampled_from(["a", "b", "ab", "a.b", "*", "?", "a*", "*b", "*.b", "[ab]", "[!a]b", "**"])
PATTERNS = st.lists(PARTS, min_size=1, max_size=4).map("/".join)
PATHS = st.lists(st.sampled_from(["a", "b", "ab", "a.b", "bb", "abb"]), min_size=1, max_size=5).map(
    "/".join
)


@given(PATTERNS, PATTERNS, PATHS)
def test_two_patterns_that_fit_one_path_overlap(one: str, other: str, path: str) -> None:
    if fits(one, path) and fits(other, path):
        assert overlap(one, other)
        assert overlap(other, one)


@given(PATTERNS, PATTERNS)
def test_overlap_has_no_direction(one: str, other: str) -> None:
    assert overlap(one, other) == overlap(other, one)


@given(PATTERNS)
def test_a_pattern_overlaps_with_itself_and_stays_as_it_is(pattern: str) -> None:
    assert overlap(pattern, pattern)
    assert checked([pattern]) == checked(checked([pattern]))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("src/a.py", "src/b.py", False),
        ("src", "src/b/c.py", True),
        ("README.md", "src", False),
        ("**/*.py", "docs/*.md", False),
        ("docs/*.md", "docs/guide/a.md", False),
        ("src/**/*.py", "src/a.py", True),
        ("a*c", "ab", False),
    ],
)
def test_overlaps_are_told_apart(one: str, other: str, expected: bool) -> None:
    assert overlap(one, other) is expected


@pytest.mark.parametrize("pattern", ["", "/", ".", "../x", "a/../b", "a**b", "!a", "a\\b", "a\0b"])
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidInputError, match="touches:"):
        checked([pattern])


def test_patterns_are_brought_into_one_form() -> None:
    assert checked(["./docs/", "/docs", "src//a", "[^a]"]) == ("docs", "src/a", "[!a]")
