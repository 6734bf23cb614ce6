"""Lock files of gits that were killed: taken away when it is proven that nobody holds them.

A git that is killed leaves its locks, and then no branch can be moved until somebody removes them.
A lock counts as left behind when this process saw the very same file some seconds ago, and no git
that was alive then is alive now: whoever made it is gone. All of it is measured by clocks that
don't jump. Only locks of refs are judged so; the index of a working tree belongs to a person, whose
editor may hold it for long.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import psutil

from abathur.infrastructure import process_times

SECONDS: Final = 3.0
"""How long a lock must have been there unchanged. Git holds those of refs for milliseconds."""

_NAMED: Final = re.compile(rb"Unable to create '([^']+\.lock)': File exists")
_INDEX: Final = "index.lock"
_HARMLESS: Final = frozenset({"cat-file", "diff-tree", "fsmonitor--daemon", "daemon"})
"""Commands that live long and lock no ref."""

Mark = tuple[int, int, int]
_seen: dict[Path, tuple[Mark, float, float]] = {}
"""Lock -> what file it was, and when it was first seen: steadily, and as processes tell starts."""


def clear(stderr: bytes, steady: Callable[[], float] = time.monotonic) -> bool:
    """Take away the lock that git complained of, if it is proven stale; whether it was."""
    found = _NAMED.search(stderr)
    if found is None:
        return False
    lock = Path(os.fsdecode(found[1]))
    lock = lock.parent.resolve() / lock.name
    if lock.name == _INDEX or not _is_stale(lock, steady()):
        return False
    lock.unlink(missing_ok=True)
    _seen.pop(lock, None)
    return True


def _is_stale(lock: Path, steady: float) -> bool:
    mark = _mark(lock)
    if mark is None:
        _seen.pop(lock, None)
        return False
    known = _seen.get(lock)
    if known is None or known[0] != mark:
        _seen[lock] = (mark, steady, _now())
        return False
    _, since, first_seen = known
    return steady - since >= SECONDS and not _gits_before(first_seen, lock)


def _mark(lock: Path) -> Mark | None:
    try:
        found = lock.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _now() -> float:
    """The start that a process would have that is started at this moment."""
    # A child of this instant can't be asked for its start, but our clock and its are the same.
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.time() if clock is None else time.clock_gettime(clock)


def _gits_before(moment: float, lock: Path) -> bool:
    """Whether a git lives that may have made the lock by then. Who can't be asked may have."""
    for process in psutil.process_iter(["name"]):
        name = process.info["name"] or ""
        if name.startswith("git") and _may_hold(process, moment, lock):
            return True
    return False


def _may_hold(process: psutil.Process, moment: float, lock: Path) -> bool:
    start = process_times.started_at(process.pid)
    if start is None or start > moment:
        return False
    try:
        if process.status() == psutil.STATUS_ZOMBIE or _HARMLESS & set(process.cmdline()):
            return False
        if "GIT_DIR" in process.environ():
            return True
        folder = _git_folder(Path(process.cwd()))
    except psutil.NoSuchProcess:
        return False
    except (psutil.Error, OSError):
        return True
    return folder is None or lock.is_relative_to(folder)


def _git_folder(place: Path) -> Path | None:
    """What all working trees of the repository around `place` share."""
    for folder in (place, *place.parents):
        pointer = folder / ".git"
        if pointer.is_dir():
            return pointer.resolve()
        if pointer.is_file():
            own = folder / pointer.read_text(errors="replace").removeprefix("gitdir: ").strip()
            shared = own / "commondir"
            named = shared.read_text(errors="replace").strip() if shared.is_file() else "."
            return (own / named).resolve()
    return None
