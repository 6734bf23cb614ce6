"""Reading a write-ahead log as bytes: SQLite stops at the first frame that doesn't fit, silently.

The form of the file is that of https://www.sqlite.org/fileformat2.html#walformat.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from abathur.domain.problems import Problem

HEADER: Final = 32
FRAME: Final = 24
BIG_ENDIAN: Final = 0x377F0683
LITTLE_ENDIAN: Final = 0x377F0682


@dataclass(frozen=True, slots=True)
class Frame:
    number: int
    page: int
    commits: int
    """Pages of the database after the commit that ends here; 0 when none ends here."""
    data: bytes
    is_valid: bool
    """It follows from the header by checksums without a break."""
    is_sound: bool
    """Its own checksum is right, whatever stands before it."""


def frames(log: bytes) -> Iterator[Frame]:
    """All frames of the log's present round, also those behind one that is damaged.

    A checksum goes on from that of the frame before, which is stored too: so a damaged frame
    spoils only itself, and the next one where its own checksum is damaged.
    """
    size = page_size(log)
    if not size:
        return
    magic, _, _, _, salt1, salt2, *_ = struct.unpack(">8I", log[:HEADER])
    order = ">" if magic == BIG_ENDIAN else "<"
    sums = _checksum(log[: HEADER - 8], order, (0, 0))
    is_valid = sums == struct.unpack(">2I", log[HEADER - 8 : HEADER])
    before = struct.unpack(">2I", log[HEADER - 8 : HEADER])
    for number, start in enumerate(range(HEADER, len(log) - FRAME - size + 1, FRAME + size), 1):
        page, commits, mark1, mark2, *stored = struct.unpack(">6I", log[start : start + FRAME])
        data = log[start + FRAME : start + FRAME + size]
        is_ours = (mark1, mark2) == (salt1, salt2)
        body = log[start : start + 8] + data
        is_sound = is_ours and [*_checksum(body, order, before)] == stored
        is_valid = is_valid and is_sound
        before = tuple(stored)
        if is_ours:
            yield Frame(number, page, commits, data, is_valid, is_sound)


def page_size(log: bytes) -> int:
    """0 when this is no log."""
    if len(log) < HEADER:
        return 0
    magic, _, size, *_ = struct.unpack(">8I", log[:HEADER])
    return size if magic in (BIG_ENDIAN, LITTLE_ENDIAN) and 512 <= size <= 65536 else 0


def problems(database: Path) -> Sequence[Problem]:
    """Commits that stand behind a damaged frame. SQLite would overwrite them with the next one."""
    try:
        log = database.with_name(f"{database.name}-wal").read_bytes()
    except OSError:
        return []
    last = lost = 0
    for frame in frames(log):
        if frame.is_valid and frame.commits:
            last = frame.number
        lost += frame.is_sound and not frame.is_valid and frame.commits > 0
    if not lost:
        return []
    text = (
        f"{lost} commits in the write-ahead log come after a damaged frame (the last sound one is "
        f"{last}) and are lost to every reader; keep a copy of the database and its -wal, then "
        "recover it with `abathur db recover`"
    )
    return [Problem(code="log_damaged", text=text)]


def _checksum(data: bytes, order: str, sums: tuple[int, int]) -> tuple[int, int]:
    first, second = sums
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for one, two in zip(words[::2], words[1::2], strict=True):
        first = (first + one + second) & 0xFFFFFFFF
        second = (second + two + first) & 0xFFFFFFFF
    return first, second
