"""The pages of a database as the file and its write-ahead log hold them."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from abathur.domain.errors import DatabaseError, NotFoundError
from abathur.infrastructure.database.engines.sqlite_log import frames, page_size

MAGIC: Final = b"SQLite format 3\0"
DEFAULT_SIZE: Final = 4096
SIZES: Final = frozenset(1 << power for power in range(9, 17))


class Image:
    """Numbers count from 1, as in the file."""

    def __init__(self, data: bytes | mmap.mmap, log: bytes) -> None:
        self._data = data
        header = bytes(data[:100])
        self.has_header = header.startswith(MAGIC)
        self.size = _size(header, log)
        self.usable = self.size - (header[20] if self.has_header and header[20] <= 32 else 0)
        self._newer, self.damaged_frames = _of_log(log, self.size)
        in_file = -(-len(data) // self.size)
        self.count = max([in_file, *self._newer])

    def page(self, number: int) -> bytes | None:
        """None when it isn't there as a whole."""
        if number in self._newer:
            return self._newer[number]
        if not 1 <= number <= self.count:
            return None
        start = (number - 1) * self.size
        found = bytes(self._data[start : start + self.size])
        return found if len(found) == self.size else None

    def free(self) -> set[int]:
        """Pages that hold nothing any more, as far as the list of them can be read."""
        first = self.page(1)
        found: set[int] = set()
        trunk = int.from_bytes(first[32:36], "big") if first and self.has_header else 0
        while 1 < trunk <= self.count and trunk not in found:
            found.add(trunk)
            page = self.page(trunk)
            if page is None:
                break
            leaves = min(int.from_bytes(page[4:8], "big"), self.usable // 4 - 2)
            found.update(
                int.from_bytes(page[place : place + 4], "big")
                for place in range(8, 8 + 4 * leaves, 4)
            )
            trunk = int.from_bytes(page[:4], "big")
        return found


@contextmanager
def opened(source: Path) -> Iterator[Image]:
    """Raises `NotFoundError`, `DatabaseError`."""
    if not source.is_file():
        raise NotFoundError(f"there is no file `{source}` to recover")
    try:
        log = source.with_name(f"{source.name}-wal")
        newer = log.read_bytes() if log.is_file() else b""
        with source.open("rb") as file:
            if source.stat().st_size == 0:
                yield Image(b"", newer)
                return
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                yield Image(data, newer)
    except OSError as error:
        raise DatabaseError(f"can't read `{source}`: {error.strerror}") from error


def _size(header: bytes, log: bytes) -> int:
    told = int.from_bytes(header[16:18], "big") if header.startswith(MAGIC) else 0
    for size in (65536 if told == 1 else told, page_size(log)):
        if size in SIZES:
            return size
    return DEFAULT_SIZE


def _of_log(log: bytes, size: int) -> tuple[dict[int, bytes], int]:
    """Newest sound version of each page by the last commit, and how many frames are damaged."""
    committed: dict[int, bytes] = {}
    pending: dict[int, bytes] = {}
    damaged = since_commit = 0
    for frame in frames(log):
        if not frame.is_sound or len(frame.data) != size:
            since_commit += 1
            continue
        pending[frame.page] = frame.data
        if frame.commits:
            committed.update(pending)
            pending.clear()
            damaged, since_commit = damaged + since_commit, 0
    return committed, damaged
