"""Signs of many vectors, turned over: an integer for each place, a bit for each vector.

So one operation of Python's integers works on all vectors at once, and a hundred thousand are
compared in little more than a millisecond without an extension. Such a layout is called bit-sliced:
P. O'Neil, D. Quass, *Improved query performance with variant indexes*, SIGMOD 1997.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

DIGITS: Final = bytes([*b"01"]) + bytes(254)
"""What makes text of bytes that are 0 and 1."""
PLACES: Final = [bytes(b"01"[byte >> place & 1] for byte in range(256)) for place in range(8)]
"""What makes text of one bit of each byte."""


def turned(rows: bytes, width: int) -> bytes:
    """Of rows of `width` bytes, all their first bits, then all their second ones, and so on.

    There have to be 8 rows, 16, or any multiple.
    """
    number = len(rows) // width
    # The last row first, as the first digit of a number is its highest.
    columns = (rows[column::width][::-1] for column in range(width))
    return b"".join(
        int(column.translate(place), 2).to_bytes(number // 8, "little")
        for column in columns
        for place in PLACES
    )


@dataclass(frozen=True, slots=True)
class Slices:
    ids: array[int]
    bits: Sequence[int]

    @classmethod
    def joined(cls, parts: Sequence[tuple[bytes, bytes]]) -> Slices:
        """Of ids, 64 bits each, and what `turned` made of as many rows; all of one width."""
        ids = array("q")
        ids.frombytes(b"".join(own for own, _ in parts))
        if sys.byteorder == "big":
            ids.byteswap()
        sized = [(len(own) // 64, memoryview(bits)) for own, bits in parts]
        size, bits = sized[0]
        slices = (
            b"".join([bits[size * place : size * (place + 1)] for size, bits in sized])
            for place in range(len(bits) // size)
        )
        return cls(ids, [int.from_bytes(one, "little") for one in slices])

    def nearest(
        self, signs: bytes, count: int, among: Collection[int] | None
    ) -> tuple[int, list[int]]:
        """The ids of all whose signs differ in no more than so many places.

        So many that there are at least `count` ids, if there are at all.
        """
        everyone = (1 << len(self.ids)) - 1
        asked = int.from_bytes(signs, "little")
        digits = counted(
            bits ^ everyone if asked >> place & 1 else bits for place, bits in enumerate(self.bits)
        )
        most, found = lowest(digits, count, everyone if among is None else self._mask(among))
        return most, [self.ids[place] for place in places_in(found)]

    def _mask(self, among: Collection[int]) -> int:
        chosen = frozenset(among)
        text = bytes(map(chosen.__contains__, reversed(self.ids))).translate(DIGITS)
        return int(text, 2)


def counted(slices: Iterable[int]) -> list[int]:
    """How many of the slices have each bit: the digits of these numbers, the lowest first.

    Carry-save adders, as in H. Warren, *Hacker's Delight*, 2nd edition, section 5-1: two of three
    summands of the same weight become one of twice the weight.
    """
    waiting: list[list[int]] = [[]]
    for one in slices:
        _add(one, 0, waiting)
    digits: list[int] = []
    while len(digits) < len(waiting):
        summands = waiting[len(digits)]
        if len(summands) == 2:
            first, second = summands
            _add(first & second, len(digits) + 1, waiting)
            digits.append(first ^ second)
        else:
            digits += summands or [0]
    return digits


def _add(one: int, level: int, waiting: list[list[int]]) -> None:
    """No more than two wait on a level."""
    while True:
        if level == len(waiting):
            waiting.append([])
        summands = waiting[level]
        if len(summands) < 2:
            summands.append(one)
            return
        first, second = summands
        either = first ^ second
        waiting[level] = [either ^ one]
        one = first & second | either & one
        level += 1


def lowest(digits: Sequence[int], count: int, among: int) -> tuple[int, int]:
    """A limit, and the bits of all whose numbers don't exceed it: at least `count`, if they can."""
    limit, certain, undecided = 0, 0, among
    for power in reversed(range(len(digits))):
        higher = undecided & digits[power]
        lower = undecided ^ higher
        if certain.bit_count() + lower.bit_count() < count:
            limit |= 1 << power
            certain |= lower
            undecided = higher
        else:
            undecided = lower
    return limit, certain | undecided


def places_in(bits: int) -> list[int]:
    text = bin(bits)[:1:-1]
    places = []
    place = text.find("1")
    while place >= 0:
        places.append(place)
        place = text.find("1", place + 1)
    return places
