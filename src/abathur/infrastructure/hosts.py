"""This host, and whether a worker's process on it still lives."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path

from abathur.domain.agents import Worker
from abathur.domain.hosts import Sight, host_of, sight_of
from abathur.infrastructure import process_times


@cache
def host_name() -> str:
    """Name of this host, with the marks of its boot and of the processes that are seen here."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    mark = boot.read_text().strip()[:8] if boot.is_file() else ""
    return host_of(platform.node(), mark, _process_namespace())


def _process_namespace() -> str:
    """Differs from container to container; empty where the system doesn't tell."""
    try:
        target = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""
    return target.partition("[")[2].removesuffix("]")


def is_alive(worker: Worker) -> bool | None:
    """By pid and start time; None for a worker that can't be seen from here, as on another host.

    A worker from an earlier boot of this host is dead, not unknown.
    """
    sight = sight_of(worker.host, here=host_name())
    if sight is Sight.HIDDEN:
        return None
    return sight is Sight.VISIBLE and process_times.lives(worker.pid, worker.pid_started_at)


def users_of(file: Path) -> list[int]:
    """Other processes that have the file open; those of other people may be hidden from us."""
    import os

    import psutil

    name = str(file.resolve())
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and any(f.path == name for f in process.open_files()):
                found.append(process.pid)
        except (psutil.Error, OSError):
            continue
    return found
