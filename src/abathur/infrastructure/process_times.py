"""When a process started, told so that a step of the clock doesn't change it.

Linux counts the start of a process from the boot; turned into a time of day, it moves with every
correction of the clock, and a living process would look like another one. So it is kept as seconds
since the boot there, and together with a name of that boot where it is stored.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
EPOCH_FROM: Final = 1e9
"""More is a time of day: nothing runs for thirty years from its boot."""
TOLERANCE_SECONDS: Final = 1.0
"""Of a start told as a time of day."""
TICK_SHARE: Final = 0.1

_STATE, _START = 0, 19
"""Among the fields of /proc/PID/stat that follow the name."""


def started_at(pid: int) -> float | None:
    """Seconds since the boot on Linux, since the epoch elsewhere; None when there is no such pid.

    The zombie of a process that has ended counts.
    """
    fields = _fields(pid)
    if fields is not None:
        return int(fields[_START]) / _ticks_a_second()
    return None if _has_proc() else _time_of_day(pid)


def lives(pid: int, start: float) -> bool:
    """Whether the process with that pid and `started_at` lives; a zombie doesn't."""
    fields = _fields(pid)
    if fields is None:
        return not _has_proc() and _lives_elsewhere(pid, start)
    if fields[_STATE] in "ZX":
        return False
    if start >= EPOCH_FROM:
        return _is_about(_time_of_day(pid), start)
    ticks = _ticks_a_second()
    return abs(int(fields[_START]) - start * ticks) < TICK_SHARE


def _fields(pid: int) -> list[str] | None:
    try:
        text = PROC.joinpath(str(pid), "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name before may hold spaces and brackets of its own.
    return text.rpartition(")")[2].split()


def _has_proc() -> bool:
    return PROC.joinpath("self", "stat").exists()


def _ticks_a_second() -> int:
    return os.sysconf("SC_CLK_TCK")


def _lives_elsewhere(pid: int, start: float) -> bool:
    import psutil

    try:
        is_zombie = psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
    return not is_zombie and _is_about(_time_of_day(pid), start)


def _time_of_day(pid: int) -> float | None:
    import psutil

    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def _is_about(found: float | None, start: float) -> bool:
    return found is not None and abs(found - start) < TOLERANCE_SECONDS
