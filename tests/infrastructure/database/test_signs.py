"""Signs of vectors: however they are laid out, those that differ least are found."""

from __future__ import annotations

import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abathur.infrastructure.database.bit_slices import counted, turned
from abathur.infrastructure.database.signs import Block, Layout, SignIndex, similarities, unpacked

WIDTH = 16


@given(st.lists(st.integers(0, 2**12 - 1), max_size=70))
@settings(max_examples=50, deadline=None)
def test_the_digits_are_how_many_have_a_bit(numbers: list[int]) -> None:
    digits = counted(numbers)
    for place in range(12):
        found = sum((digit >> place & 1) << power for power, digit in enumerate(digits))
        assert found == sum(number >> place & 1 for number in numbers)


@given(
    seed=st.integers(0, 10**6),
    layouts=st.lists(st.sampled_from(["rows", "slices"]), min_size=1, max_size=4),
    count=st.integers(1, 70),
    share=st.sampled_from([None, 0, 0.1, 0.6, 1]),
)
@settings(max_examples=60, deadline=None)
def test_all_that_differ_as_little_as_the_nearest_are_found(
    seed: int, layouts: list[Layout], count: int, share: float | None
) -> None:
    chance = random.Random(seed)
    wanted = chance.randbytes(WIDTH)
    signs: dict[int, bytes] = {}
    index = SignIndex()
    for number, layout in enumerate(layouts):
        own = {n: _like(wanted, chance) for n in chance.sample(range(10**9), 8 + 8 * number)}
        signs |= own
        rows, ids = b"".join(own.values()), struct.pack(f"<{len(own)}q", *own)
        index.learn({number: Block(ids, turned(rows, WIDTH) if layout != "rows" else rows, layout)})
    among = None if share is None else {one for one in signs if chance.random() < share}
    found = index.nearest(wanted, count, among)
    asked = int.from_bytes(wanted, "little")
    differing = {
        one: (int.from_bytes(own, "little") ^ asked).bit_count()
        for one, own in signs.items()
        if among is None or one in among
    }
    assert len(set(found)) == len(found) >= min(count, len(differing))
    assert differing.keys() >= set(found)
    best = sorted(differing.values())[:count]
    assert {one for one, n in differing.items() if best and n < best[-1]} <= set(found)


def _like(wanted: bytes, chance: random.Random) -> bytes:
    """With up to eighty bits turned."""
    bits = int.from_bytes(wanted, "little")
    for _ in range(chance.randrange(80)):
        bits ^= 1 << chance.randrange(8 * WIDTH)
    return bits.to_bytes(WIDTH, "little")


def test_blocks_that_came_or_went_change_what_is_found() -> None:
    rows = bytes([1] + [0] * 7) * 8
    index = SignIndex()
    for key in (1, 2):
        ids = struct.pack("<8q", *range(key * 10, key * 10 + 8))
        index.learn({key: Block(ids, turned(rows, 8), "slices")})
        assert len(index.nearest(rows[:8], 99)) == key * 8
    assert index.missing([2, 3]) == [3]
    assert sorted(index.nearest(rows[:8], 99)) == [*range(20, 28)]


@pytest.mark.parametrize("cut", [1, 7])
def test_a_block_that_was_cut_off_is_left_out(cut: int) -> None:
    index = SignIndex()
    ids, signs = struct.pack("<8q", *range(8)), bytes(64)
    index.learn({1: Block(ids, signs[:-cut], "slices"), 2: Block(ids[:-cut], signs)})
    assert index.nearest(bytes(8), 5) == []


def test_cosines_are_those_of_the_numbers_as_they_are_stored() -> None:
    wanted = unpacked(struct.pack("<2f", 0.6, 0.8))
    stored = [struct.pack("<2f", *one) for one in ((0.6, 0.8), (-0.6, -0.8), (0.8, -0.6))]
    assert similarities(wanted, stored) == pytest.approx([1, -1, 0], abs=1e-6)
    assert similarities(wanted, []) == []
