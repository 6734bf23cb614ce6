"""The signs of vectors, a bit each: compared in bulk, so that few vectors are looked at closely.

Comparing signs only finds candidates; who is nearer is told by the vectors themselves. NumPy is
used from the second search of a process on: importing it takes longer than a search without it.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, repeat
from operator import mul
from threading import Lock
from typing import Any, Final

BLOCK: Final = 4096
"""Vectors whose signs share a row."""
WORD: Final = 8


@dataclass(frozen=True, slots=True)
class Block:
    ids: bytes
    signs: bytes


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
    return Block(struct.pack(f"<{len(signs)}q", *signs), b"".join(signs.values()))


def ids_of(block: Block) -> Sequence[int]:
    return struct.unpack(f"<{len(block.ids) // WORD}q", block.ids)


def signs_in(block: Block) -> Mapping[int, bytes]:
    ids = ids_of(block)
    width = len(block.signs) // len(ids)
    return dict(zip(ids, struct.unpack(f"{width}s" * len(ids), block.signs), strict=True))


def similarities(wanted: array[float], stored: Sequence[bytes]) -> Sequence[float]:
    """The cosines of a unit vector with others, as they are stored."""
    numpy = sys.modules.get("numpy")
    if numpy is None or not stored:
        return [float(sum(map(mul, wanted, unpacked(one)))) for one in stored]
    rows: Any = numpy.frombuffer(b"".join(stored), "<f4").reshape(len(stored), -1)
    found: list[float] = (rows @ numpy.asarray(wanted, "f4")).tolist()
    return found


class SignIndex:
    """The blocks of one source and model that were read last."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._blocks: dict[int, Block] = {}
        self._arrays: tuple[Any, Any] | None = None
        self._searches = 0

    def missing(self, present: Collection[int]) -> Sequence[int]:
        """Of the blocks that there are, those to read. The others are forgotten."""
        with self._lock:
            if self._blocks.keys() - present:
                self._blocks = {key: self._blocks[key] for key in self._blocks if key in present}
                self._arrays = None
            return [key for key in present if key not in self._blocks]

    def learn(self, blocks: Mapping[int, Block]) -> None:
        if blocks:
            with self._lock:
                self._blocks = {**self._blocks, **blocks}
                self._arrays = None

    def nearest(
        self, signs: bytes, count: int, among: Collection[int] | None = None
    ) -> Sequence[int]:
        """Ids of at least `count` passages, if there are so many, whose signs differ least."""
        with self._lock:
            blocks = list(self._blocks.values())
            self._searches += 1
            is_warm = self._searches > 1
        fitting = [one for one in blocks if len(one.signs) * WORD == len(one.ids) * len(signs)]
        if not fitting:
            return []
        numpy = _numpy(is_warm)
        if numpy is None:
            return _plainly(fitting, signs, count, among)
        return self._at_once(numpy, fitting, signs, count, among)

    def _at_once(
        self,
        np: Any,
        blocks: Sequence[Block],
        signs: bytes,
        count: int,
        among: Collection[int] | None,
    ) -> Sequence[int]:
        with self._lock:
            arrays = self._arrays
            if arrays is None or len(arrays[0]) != sum(len(one.ids) // WORD for one in blocks):
                ids = np.frombuffer(b"".join(one.ids for one in blocks), "<i8")
                rows = np.frombuffer(b"".join(one.signs for one in blocks), "<u8")
                # By words and not by vectors: adding up columns is faster than adding up rows.
                arrays = (ids, np.ascontiguousarray(rows.reshape(len(ids), -1).T))
                self._arrays = arrays
        ids, rows = arrays
        wanted = np.frombuffer(signs, "<u8")
        differing = np.zeros(len(ids), np.uint16)
        for row, word in zip(rows, wanted, strict=True):
            differing += np.bitwise_count(row ^ word)
        if among is not None:
            chosen = np.isin(ids, np.fromiter(among, "<i8", len(among)))
            ids, differing = ids[chosen], differing[chosen]
        if len(ids) > count:
            # Faster than a partition: there are few numbers of differences.
            reached = np.cumsum(np.bincount(differing))
            ids = ids[differing <= np.searchsorted(reached, count)]
        found: list[int] = ids.tolist()
        return found


def _numpy(is_warm: bool) -> Any | None:
    if not is_warm and "numpy" not in sys.modules:
        return None
    try:
        import numpy as np
    except ImportError:
        return None
    return np if hasattr(np, "bitwise_count") else None


def _plainly(
    blocks: Iterable[Block], signs: bytes, count: int, among: Collection[int] | None
) -> Sequence[int]:
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
        chosen = frozenset(among)
        pairs = [(one, n) for one, n in zip(ids, differing, strict=True) if one in chosen]
        ids, differing = [one for one, _ in pairs], [n for _, n in pairs]
    most = _limit(differing, count)
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
