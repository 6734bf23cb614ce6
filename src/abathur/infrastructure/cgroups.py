"""A cgroup for each run, where the system lets us make some: killed as one, by one write.

Version 2 only, and only below a cgroup that is ours: the one that we run in when it belongs to our
user and that isn't root (a service with `Delegate=yes`), or what `ABATHUR_CGROUP` names.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from itertools import count
from pathlib import Path
from typing import Final

VARIABLE: Final = "ABATHUR_CGROUP"
PREFIX: Final = "abathur-"
_NUMBERS = count(1)
_SECONDS_TO_EMPTY = 2.0


def make(environ: Mapping[str, str] = os.environ) -> Path | None:
    """A new empty cgroup; None where there can't be one."""
    base = _base(environ.get(VARIABLE, ""))
    if base is None:
        return None
    made = base / f"{PREFIX}{os.getpid()}-{next(_NUMBERS)}"
    try:
        made.mkdir()
    except OSError:
        return None
    if (made / "cgroup.kill").exists():  # since Linux 5.14
        return made
    made.rmdir()
    return None


def members(cgroup: Path) -> set[int]:
    try:
        return {int(pid) for pid in (cgroup / "cgroup.procs").read_text().split()}
    except OSError:
        return set()


def end(cgroup: Path) -> None:
    """Kill what is left in it, and remove it; one that is gone is no error."""
    with suppress(OSError):
        (cgroup / "cgroup.kill").write_text("1")
    give_up_at = time.monotonic() + _SECONDS_TO_EMPTY
    while cgroup.exists() and time.monotonic() < give_up_at:
        with suppress(OSError):
            cgroup.rmdir()


@cache
def _base(named: str) -> Path | None:
    if sys.platform != "linux":
        return None
    base = Path(named) if named else _own()
    if base is None or not os.access(base / "cgroup.procs", os.W_OK):
        return None
    _tidy(base)
    return base


def _own() -> Path | None:
    """The cgroup that we run in, when it is delegated to our user."""
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    path = next((line[3:] for line in lines if line.startswith("0::")), None)
    mount = next((line.split()[4] for line in mounts if " - cgroup2 " in line), None)
    if path is None or mount is None:
        return None
    own = Path(mount) / path.lstrip("/")
    try:
        owner = own.stat().st_uid
    except OSError:
        return None
    return own if owner == os.geteuid() != 0 else None


def _tidy(base: Path) -> None:
    """Remove what supervisors left that are gone; what isn't empty stays by itself."""
    for left in base.glob(f"{PREFIX}*-*"):
        pid = left.name.removeprefix(PREFIX).partition("-")[0]
        if pid.isdigit() and not Path("/proc", pid).exists():
            with suppress(OSError):
                left.rmdir()
