"""This host, and whether a worker's process on it still lives."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path

from abathur.domain.agents import Worker
from abathur.infrastructure import process_times


@cache
def host_name() -> str:
    """Name and boot of this host: after a reboot no process of before can be alive."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    mark = boot.read_text().strip()[:8] if boot.is_file() else ""
    return f"{platform.node()}:{mark}" if mark else platform.node()


def is_alive(worker: Worker) -> bool | None:
    """By pid and start time; None for a worker on another host.

    A worker from an earlier boot of this host is dead, not unknown.
    """
    here, _, _ = host_name().partition(":")
    there, _, _ = worker.host.partition(":")
    if here != there:
        return None
    if worker.host != host_name():
        return False
    return process_times.lives(worker.pid, worker.pid_started_at)


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
