"""Cells and records of b-tree pages, see https://www.sqlite.org/fileformat2.html#b_tree_pages."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from abathur.infrastructure.database.recovery.image import Image

Value: TypeAlias = int | float | str | bytes | None

INDEX_INNER: Final = 2
TABLE_INNER: Final = 5
INDEX_LEAF: Final = 10
TABLE_LEAF: Final = 13
INNER: Final = frozenset({INDEX_INNER, TABLE_INNER})
KINDS: Final = frozenset({INDEX_INNER, TABLE_INNER, INDEX_LEAF, TABLE_LEAF})
WIDTHS: Final = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}


class Damaged(Exception):
    """What was read is no page, cell or record."""


@dataclass(frozen=True, slots=True)
class Cell:
    rowid: int | None
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Node:
    """A b-tree page, taken apart."""

    kind: int
    children: tuple[int, ...]
    cells: tuple[Cell, ...]
    damaged_cells: int


def node(image: Image, number: int) -> Node:
    """Raises `Damaged` when the page is none of a b-tree."""
    page = image.page(number)
    if page is None:
        raise Damaged(f"page {number} is missing")
    start = 100 if number == 1 else 0
    kind = page[start]
    count = int.from_bytes(page[start + 3 : start + 5], "big")
    head = start + (12 if kind in INNER else 8)
    if kind not in KINDS or head + 2 * count > image.usable or (not count and kind in INNER):
        raise Damaged(f"page {number} is no page of a tree")
    places = [int.from_bytes(page[at : at + 2], "big") for at in range(head, head + 2 * count, 2)]
    children: list[int] = []
    cells: list[Cell] = []
    damaged = 0
    for place in places:
        try:
            if not head <= place < image.usable:
                raise Damaged("a cell lies outside of its page")
            if kind in INNER:
                children.append(int.from_bytes(page[place : place + 4], "big"))
            if kind != TABLE_INNER:
                cells.append(_cell(image, page, place + 4 * (kind in INNER), kind))
        except (Damaged, IndexError, struct.error, ValueError):
            damaged += 1
    if kind in INNER:
        children.append(int.from_bytes(page[start + 8 : start + 12], "big"))
    if count and damaged == count:
        raise Damaged(f"page {number} holds no readable cell")
    return Node(kind, tuple(children), tuple(cells), damaged)


def _cell(image: Image, page: bytes, place: int, kind: int) -> Cell:
    length, place = varint(page, place)
    rowid: int | None = None
    if kind == TABLE_LEAF:
        rowid, place = varint(page, place)
    return Cell(rowid, record(_payload(image, page, place, length, kind)))


def _payload(image: Image, page: bytes, place: int, length: int, kind: int) -> bytes:
    if length > image.count * image.size:
        raise Damaged("a record is longer than the file")
    room = image.usable
    most = room - 35 if kind == TABLE_LEAF else (room - 12) * 64 // 255 - 23
    if length <= most:
        found = page[place : place + length]
        if len(found) < length or place + length > room:
            raise Damaged("a record runs out of its page")
        return found
    least = (room - 12) * 32 // 255 - 23
    here = least + (length - least) % (room - 4)
    here = here if here <= most else least
    parts = [page[place : place + here], *_overflow(image, page, place + here, length - here)]
    return b"".join(parts)


def _overflow(image: Image, page: bytes, place: int, missing: int) -> Iterator[bytes]:
    number = int.from_bytes(page[place : place + 4], "big")
    while missing > 0:
        more = image.page(number)
        if more is None or number == 1:
            raise Damaged("the rest of a record is missing")
        part = more[4 : min(image.usable, 4 + missing)]
        yield part
        missing -= len(part)
        number = int.from_bytes(more[:4], "big")


def record(data: bytes) -> tuple[Value, ...]:
    """Raises `Damaged`."""
    end, place = varint(data, 0)
    if not 1 <= end <= len(data):
        raise Damaged("a record has no head")
    values: list[Value] = []
    at = end
    while place < end:
        kind, place = varint(data, place)
        value, at = _value(data, at, kind)
        values.append(value)
    if at != len(data) or not values:
        raise Damaged("a record has another length than its values")
    return tuple(values)


def _value(data: bytes, at: int, kind: int) -> tuple[Value, int]:
    if kind == 0:
        return None, at
    if kind in (8, 9):
        return kind - 8, at
    if kind in WIDTHS:
        end = at + WIDTHS[kind]
        return int.from_bytes(data[at:end], "big", signed=True), end
    if kind == 7:
        number: float = struct.unpack(">d", data[at : at + 8])[0]
        return number, at + 8
    if kind < 12:
        raise Damaged("a value has no type")
    end = at + (kind - 12) // 2
    if end > len(data):
        raise Damaged("a value runs out of its record")
    found = data[at:end]
    return (found if kind % 2 == 0 else found.decode("utf-8")), end


def varint(data: bytes, place: int) -> tuple[int, int]:
    """(the number, where it ends). Raises `IndexError`."""
    number = 0
    for step in range(8):
        byte = data[place + step]
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            return number, place + step + 1
    number = number << 8 | data[place + 8]
    return number - (1 << 64) if number >> 63 else number, place + 9
