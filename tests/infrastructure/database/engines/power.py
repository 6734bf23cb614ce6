"""A disk that loses power: `record` writes down what it is told, in a process of its own.

Every write, cut and sync of the database and its log is kept, with the ids that were
acknowledged in between, in their order. From that, what a power cut may leave is put together:
what was synced is there, and of what came after each sector is there or not.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from abathur.infrastructure.database import Database
from abathur.infrastructure.database.engines import sqlite, sqlite_commit
from tests.infrastructure.database.children import add

SECTOR = 512
SYSTEM = apsw.vfs_names()[0]
ROUNDS, AT_ONCE = 30, 3


@dataclass(frozen=True)
class Event:
    kind: str
    """`write`, `cut`, `sync` or `acknowledged`."""
    what: str
    """The end of the file's name, or the id."""
    offset: int = 0
    data: bytes = b""


class Disk(apsw.VFS):
    """The system's own, with all that changes a file written down."""

    def __init__(self, events: list[Event]) -> None:
        self._events = events
        super().__init__("recording", SYSTEM, makedefault=True)

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        return File(self._events, name, flags)


class File(apsw.VFSFile):
    def __init__(self, events: list[Event], name: Any, flags: list[int]) -> None:
        self._events = events
        path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        self._what = "-wal" if path.endswith("-wal") else ""
        super().__init__(SYSTEM, name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self._events.append(Event("write", self._what, offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, size: int) -> None:  # noqa: N802
        self._events.append(Event("cut", self._what, size))
        super().xTruncate(size)

    def xSync(self, flags: int) -> None:  # noqa: N802
        super().xSync(flags)
        self._events.append(Event("sync", self._what))


async def record(path: str, synchronous: str, log: str) -> None:
    events: list[Event] = []
    disk = Disk(events)
    # Such a disk has no shared memory to offer, so the one process keeps the index to itself.
    sqlite.PRAGMAS = (  # type: ignore[misc]
        sqlite.PRAGMAS.replace("synchronous = FULL", f"synchronous = {synchronous}")
        + "PRAGMA locking_mode = EXCLUSIVE;"
    )
    Path(f"{path}-shm").touch()
    sqlite_commit.CHECKPOINT_PAGES = 40  # type: ignore[misc]
    db = Database(path)
    await db.initialize()

    async def caller(name: str) -> None:
        await db.write(add, name, len(name) * 997 % 5000)
        events.append(Event("acknowledged", name))

    for number in range(ROUNDS):
        await asyncio.gather(
            *(caller(f"{number}-{each}" + "x" * number) for each in range(AT_ONCE))
        )
    Path(log).write_bytes(pickle.dumps(events))
    disk.unregister()
    os._exit(0)


class Surface:
    """What is on the disk of one file: what surely is, and what may be."""

    def __init__(self, content: bytes) -> None:
        self._surely = bytearray(content)
        self._perhaps: list[Event] = []

    def happen(self, event: Event) -> None:
        if event.kind == "sync":
            for one in self._perhaps:
                _apply(self._surely, one)
            self._perhaps.clear()
        else:
            self._perhaps.append(event)

    def after_a_cut(self, chance: random.Random, share: float) -> bytes:
        """Each sector that wasn't synced is there with that probability."""
        found = bytearray(self._surely)
        for event in self._perhaps:
            for piece in _sectors(event):
                if chance.random() < share:
                    _apply(found, piece)
        return bytes(found)


def images(
    content: bytes, events: Sequence[Event], seed: int
) -> Iterator[tuple[frozenset[str], bytes, bytes]]:
    """What was acknowledged, the database and its log, after a cut at each of the events."""
    chance = random.Random(seed)
    surfaces = {"": Surface(content), "-wal": Surface(b"")}
    acknowledged: set[str] = set()
    for event in events:
        if event.kind == "acknowledged":
            acknowledged.add(event.what)
        else:
            surfaces[event.what].happen(event)
        share = chance.choice((0.0, 0.5, 0.9))
        left = [surfaces[what].after_a_cut(chance, share) for what in ("", "-wal")]
        yield frozenset(acknowledged), left[0], left[1]


def _sectors(event: Event) -> Iterator[Event]:
    if event.kind == "cut":
        yield event
    start = 0
    while start < len(event.data):
        end = min(len(event.data), start + SECTOR - (event.offset + start) % SECTOR)
        yield Event("write", event.what, event.offset + start, event.data[start:end])
        start = end


def _apply(content: bytearray, event: Event) -> None:
    if event.kind == "cut":
        del content[event.offset :]
        return
    missing = event.offset - len(content)
    if missing > 0:
        content.extend(bytes(missing))
    content[event.offset : event.offset + len(event.data)] = event.data
