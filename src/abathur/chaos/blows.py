"""What can befall a swarm's process at a point. Runs in it, on whichever thread got there."""

from __future__ import annotations

import os
import resource
import signal
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psutil

from abathur.chaos.tight_disk import TightDisk
from abathur.ports.clock import Clock

if TYPE_CHECKING:
    from abathur.chaos.servers import Place

FAULT_SECONDS: Final = 0.6
"""How long a fault lasts that goes away by itself."""
JUMP: Final = timedelta(hours=2)
LOCKS: Final = ("index.lock", "HEAD.lock", "packed-refs.lock", "refs/heads/main.lock")


class Blow(StrEnum):
    KILL = "kill"
    """SIGKILL."""
    CUT = "cut"
    """SIGKILL of the swarm and of everything that it has started, as when a machine goes down."""
    FREEZE = "freeze"
    """SIGSTOP, and SIGCONT when another swarm has taken over."""
    CANCEL = "cancel"
    """SIGSTOP, a person cancels all that the swarm has under way, and SIGCONT."""
    TERM = "term"
    """SIGTERM: the orderly stop."""
    TERM_TWICE = "term-twice"
    """The stop without any grace."""
    LOCKS = "locks"
    """SIGKILL, and git's own lock files are left behind."""
    FULL = "full"
    """No file can grow for a while."""
    TIGHT = "tight"
    """The disk has less room for a while than the swarm is to leave."""
    AWAY = "away"
    """The database's file is gone for a while, or the server lets nobody in."""
    FORWARD = "forward"
    """The time of day jumps two hours ahead."""
    BACK = "back"


DEADLY: Final = frozenset({Blow.KILL, Blow.CUT, Blow.LOCKS})
SIGNALS: Final = DEADLY | {Blow.FREEZE, Blow.TERM, Blow.TERM_TWICE}
"""The kills; the others are faults."""


class MovableClock:
    """`ports.clock.Clock`; what it says of the day can be moved. The steady time never jumps."""

    def __init__(self, real: Clock) -> None:
        self._real = real
        self.offset = timedelta(0)

    def now(self) -> datetime:
        return self._real.now() + self.offset

    def monotonic(self) -> float:
        return self._real.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self._real.sleep(seconds)


@dataclass(slots=True)
class Scene:
    """What a blow needs to know of the process that it hits."""

    root: Path
    note: Path
    """File that says that the blow has fallen."""
    database: Path | None
    """None when it is no file."""
    place: Place | None = None
    """Of the database, when it is on a server."""
    clock: MovableClock | None = None
    disk: TightDisk | None = None


def strike(blow: Blow, scene: Scene) -> None:
    _BY_KIND[blow](scene)


def _die(_: Scene) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _cut(scene: Scene) -> None:
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            child.kill()
    _die(scene)


def _freeze(_: Scene) -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def _term(_: Scene) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def _term_twice(scene: Scene) -> None:
    _term(scene)
    _term(scene)


def _leave_locks(scene: Scene) -> None:
    for name in LOCKS:
        with suppress(OSError):
            (scene.root / ".git" / name).touch(exist_ok=False)
    _die(scene)


def _fill(_: Scene) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    _later(lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard)))


def _tighten(scene: Scene) -> None:
    disk = scene.disk
    if disk is not None:
        disk.is_full = True
        _later(lambda: setattr(disk, "is_full", False))


def _take_away(scene: Scene) -> None:
    if scene.place is not None:
        place, over = scene.place, over_of(scene.note)
        if place.take_away(over):
            _later(lambda: place.bring_back(over))
    if scene.database is None:
        return
    there, gone = scene.database, gone_to(scene.database)
    with suppress(OSError):
        there.rename(gone)
        _later(lambda: bring_back(there))


def over_of(note: Path) -> Path:
    """File that says that the fault of this note is over."""
    return note.with_name(f"{note.name}-over")


def gone_to(database: Path) -> Path:
    return database.with_name(f"{database.name}.away")


def bring_back(database: Path) -> None:
    """Put the file back, unless it is in its place."""
    with suppress(FileNotFoundError):
        if not database.exists():
            gone_to(database).rename(database)


def _jump(scene: Scene, by: timedelta) -> None:
    if scene.clock is not None:
        scene.clock.offset += by


def _later(act: Callable[[], None]) -> None:
    timer = threading.Timer(FAULT_SECONDS, act)
    timer.daemon = True
    timer.start()


_BY_KIND: Final[Mapping[Blow, Callable[[Scene], None]]] = {
    Blow.KILL: _die,
    Blow.CUT: _cut,
    Blow.FREEZE: _freeze,
    Blow.CANCEL: _freeze,
    Blow.TERM: _term,
    Blow.TERM_TWICE: _term_twice,
    Blow.LOCKS: _leave_locks,
    Blow.FULL: _fill,
    Blow.TIGHT: _tighten,
    Blow.AWAY: _take_away,
    Blow.FORWARD: lambda scene: _jump(scene, JUMP),
    Blow.BACK: lambda scene: _jump(scene, -JUMP),
}
