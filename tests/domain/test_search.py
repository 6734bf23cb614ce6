"""Words of a question, rankings made one, what fades, and what says nearly the same."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abathur.domain.duplicates import NEAR, near_duplicates
from abathur.domain.memories import Memory, MemoryType
from abathur.domain.retention import RETENTION, expiry, strength
from abathur.domain.search import any_of, excerpt, fused, words_of

NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)


def memory(**fields: Any) -> Memory:
    plain: dict[str, Any] = dict.fromkeys(Memory.__dataclass_fields__)
    usual = {"memory_type": MemoryType.EPISODIC, "updated_at": NOON, "access_count": 0}
    return Memory(**{**plain, **usual, **fields})


def test_agreement_counts_for_more_than_a_single_first_place() -> None:
    assert list(fused([["a", "b"], ["b", "c"]])) == ["b", "a", "c"]
    assert fused([["a"], ["a"]])["a"] == pytest.approx(2 / 61)


@given(st.text(max_size=200))
def test_nothing_but_words_gets_into_a_query(text: str) -> None:
    words = words_of(text)
    assert len(words) <= 32
    assert all(word.isalnum() or not word.isascii() for word in words)
    assert not set('"*^():-{}') & set("".join(words))
    assert any_of(words).count('"') == 2 * len(words)


def test_stop_words_are_asked_for_only_when_there_are_no_others() -> None:
    assert words_of("How do I build it?") == ["build"]
    assert words_of("to be or not to be") == ["to", "be", "or", "not"]


def test_an_excerpt_shows_what_was_asked_for() -> None:
    shown = excerpt("x " * 500 + "the needle " + "y " * 500, ["needle"])
    assert "needle" in shown
    assert len(shown) < 220


@pytest.mark.parametrize("kind", MemoryType)
def test_a_memory_fades_by_half_in_its_half_life(kind: MemoryType) -> None:
    later = NOON + RETENTION[kind].half_life
    assert strength(memory(memory_type=kind), later) == pytest.approx(0.5)
    assert strength(memory(memory_type=kind, access_count=5), later) > 0.5
    assert strength(memory(memory_type=kind), NOON - timedelta(days=1)) == 1


def test_use_begins_the_fading_anew() -> None:
    week = NOON + timedelta(days=7)
    assert strength(memory(last_used_at=week, access_count=1), week) == 1


def test_only_what_is_of_the_moment_expires() -> None:
    assert expiry(MemoryType.WORKING, NOON) == NOON + timedelta(days=1)
    assert expiry(MemoryType.SEMANTIC, NOON) is None
    assert expiry(MemoryType.SEMANTIC, NOON, timedelta(hours=1)) == NOON + timedelta(hours=1)


TEXTS = st.lists(
    st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=8).map(" ".join), max_size=12
)


@given(TEXTS)
def test_every_pair_that_is_near_is_found_once(texts: list[str]) -> None:
    sets = [frozenset(text.split()) - {"a"} or frozenset(text.split()) for text in texts]
    wanted = {
        (i, j)
        for j in range(len(sets))
        for i in range(j)
        if len(sets[i] & sets[j]) / len(sets[i] | sets[j]) >= NEAR
    }
    found = [(a, b) for a, b, _ in near_duplicates(dict(enumerate(texts)))]
    assert len(found) == len(set(found))
    assert set(found) == wanted
