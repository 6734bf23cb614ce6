"""The signs of vectors, a bit each: compared in bulk, so that few vectors are looked at closely.

Comparing signs only finds candidates; who is nearer is told by the vectors themselves. All of it
is Python's integers: importing NumPy takes longer than a whole search does without.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, repeat
from math import dist
from operator import mul
from threading import Lock
from typing import Any, Final, Literal, TypeAlias

from abathur.infrastructure.database.bit_slices import Slices, turned

BLOCK: Final = 4096
"""Vectors whose signs share a row."""
WORD: Final = 8
FLOAT: Final = 4

Layout: TypeAlias = Literal["rows", "slices"]
"""The signs of one vector after another, or the first ones of all, and then the second ones."""


@dataclass(frozen=True, slots=True)
class Block:
    ids: bytes
    signs: bytes
    layout: Layout = "rows"


def packed(vector: Sequence[float]) -> bytes:
    """As it is stored, of the length 1. Raises `ValueError` for a vector without a direction."""
    length = sum(map(mul, vector, vector)) ** 0.5
    if not 0 < length < float("inf"):
        raise ValueError("a vector of zeros or without an end has no direction")
    stored = array("f", [x / length for x in vector])
    if sys.byteorder == "big":
        stored.byteswap()
    return stored.tobytes()


def unpacked(stored: bytes) -> array[float]:
    vector = array("f")
    vector.frombytes(stored)
    if sys.byteorder == "big":
        vector.byteswap()
    return vector


def signs_of(vector: Sequence[float]) -> bytes:
    """A bit for each number, 1 where it is positive, filled up to whole words with zeros."""
    bits = sum(1 << place for place, x in enumerate(vector) if x > 0)
    return bits.to_bytes(-(-len(vector) // (8 * WORD)) * WORD, "little")


def block_of(signs: Mapping[int, bytes]) -> Block:
    """A full one is turned over, which takes some milliseconds and makes searching much faster."""
    return sliced(Block(struct.pack(f"<{len(signs)}q", *signs), b"".join(signs.values())))


def sliced(block: Block) -> Block:
    """The same turned over, if it can be."""
    number = len(block.ids) // WORD
    if block.layout == "slices" or number != BLOCK or len(block.signs) % number:
        return block
    return Block(block.ids, turned(block.signs, len(block.signs) // number), "slices")


def signs_in(block: Block) -> Mapping[int, bytes]:
    """Of one in rows."""
    number = len(block.ids) // WORD
    width = len(block.signs) // number
    ids = struct.unpack(f"<{number}q", block.ids)
    return dict(zip(ids, struct.unpack(f"{width}s" * number, block.signs), strict=True))


def similarities(wanted: array[float], stored: Sequence[bytes]) -> Sequence[float]:
    """The cosines of a unit vector with others, as they are stored.

    Of two unit vectors at the distance d it is 1 - d²/2, and distances are fast. NumPy is faster,
    but takes longer to import than a search.
    """
    numpy = sys.modules.get("numpy")
    if numpy is None or not stored:
        unpack, point = struct.Struct(f"<{len(wanted)}f").unpack, tuple(wanted)
        return [1 - dist(point, unpack(one)) ** 2 / 2 for one in stored]
    rows: Any = numpy.frombuffer(b"".join(stored), "<f4").reshape(len(stored), -1)
    found: list[float] = (rows @ numpy.asarray(wanted, "f4")).tolist()
    return found


class SignIndex:
    """The blocks of one source and model that were read last."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._blocks: dict[int, Block] = {}
        self._joined: tuple[Sequence[int], Slices] | None = None

    def missing(self, present: Collection[int]) -> Sequence[int]:
        """Of the blocks that there are, those to read. The others are forgotten."""
        with self._lock:
            if self._blocks.keys() - present:
                self._blocks = {key: self._blocks[key] for key in self._blocks if key in present}
            return [key for key in present if key not in self._blocks]

    def learn(self, blocks: Mapping[int, Block]) -> None:
        if blocks:
            with self._lock:
                self._blocks = {**self._blocks, **blocks}

    def nearest(
        self, signs: bytes, count: int, among: Collection[int] | None = None
    ) -> Sequence[int]:
        """Ids of at least `count` passages, if there are so many, whose signs differ least."""
        blocks = {
            key: one
            for key, one in self._blocks.items()
            if len(one.signs) * WORD == len(one.ids) * len(signs)
        }
        chosen = None if among is None else frozenset(among)
        most, found = 8 * len(signs), list[int]()
        if slices := self._slices({k: b for k, b in blocks.items() if b.layout == "slices"}):
            most, found = slices.nearest(signs, count, chosen)
        rows = [one for one in blocks.values() if one.layout == "rows"]
        return found + _in_rows(rows, signs, count, chosen, most)

    def _slices(self, blocks: Mapping[int, Block]) -> Slices | None:
        """Joined anew when the blocks are others."""
        with self._lock:
            if not blocks:
                self._joined = None
            elif self._joined is None or self._joined[0] != [*blocks]:
                parts = [(block.ids, block.signs) for block in blocks.values()]
                self._joined = [*blocks], Slices.joined(parts)
            return self._joined and self._joined[1]


def _in_rows(
    blocks: Iterable[Block], signs: bytes, count: int, among: Collection[int] | None, most: int
) -> list[int]:
    """At least `count`, but none with more than `most` differences."""
    wanted, width = int.from_bytes(signs, "little"), len(signs)
    ids: list[int] = []
    differing: list[int] = []
    for block in blocks:
        number = len(block.ids) // WORD
        ids += struct.unpack(f"<{number}q", block.ids)
        rows = struct.unpack(f"{width}s" * number, block.signs)
        numbers: Iterable[int] = map(int.from_bytes, rows, repeat("little"))  # type: ignore[arg-type]
        differing += [(number ^ wanted).bit_count() for number in numbers]
    if among is not None:
        pairs = [(one, n) for one, n in zip(ids, differing, strict=True) if one in among]
        ids, differing = [one for one, _ in pairs], [n for _, n in pairs]
    most = min(most, _limit(differing, count))
    return [one for one, n in zip(ids, differing, strict=True) if n <= most]


def _limit(differing: Sequence[int], count: int) -> int:
    """The number of differences that at least `count` of them don't exceed."""
    by_number = sorted(Counter(differing).items())
    reached = accumulate(n for _, n in by_number)
    over = (number for (number, _), n in zip(by_number, reached, strict=True) if n >= count)
    return next(chain(over, [max(differing, default=0)]))


class SignIndexes:
    """What all connections of a database share."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._by_key: dict[tuple[str, str], SignIndex] = {}

    def of(self, source: str, model: str) -> SignIndex:
        with self._lock:
            return self._by_key.setdefault((source, model), SignIndex())
