"""Looking at processes and files for signs of work: meets `ports.evidence.Evidence`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import psutil

from abathur.domain import times
from abathur.domain.silence import Usage
from abathur.infrastructure import process_times
from abathur.infrastructure.process_tags import Hunt
from abathur.ports.processes import ProcessId

MOST_FILES: Final = 200_000
"""That are looked at for their time; a worktree with more is judged by the first of them."""
LONGEST_DECLARATION: Final = 100


class SystemEvidence:
    async def processes(
        self, leader: ProcessId | None, tags: Mapping[str, str]
    ) -> Mapping[int, Usage]:
        return await asyncio.to_thread(_processes, leader, tags)

    async def newest_change(self, folder: Path) -> float:
        return await asyncio.to_thread(lambda: max(_changes(folder), default=0.0))

    async def busy_until(self, declaration: Path) -> datetime | None:
        return await asyncio.to_thread(declared_until, declaration)


def _processes(leader: ProcessId | None, tags: Mapping[str, str]) -> Mapping[int, Usage]:
    hunt = Hunt(tags)
    if leader is not None and process_times.lives(leader.pid, leader.started_at):
        hunt.follow(leader.pid, lambda: False)
    return {process.pid: _usage(process) for process in hunt.find()}


def _usage(process: psutil.Process) -> Usage:
    cpu, io = 0.0, 0
    with suppress(psutil.Error):
        found = process.cpu_times()
        cpu = found.user + found.system + found.children_user + found.children_system
    with suppress(psutil.Error, AttributeError, OSError):
        counters = process.io_counters()  # not on every system
        io = counters.read_chars + counters.write_chars
    return Usage(cpu, io)


def _changes(folder: Path) -> Iterator[float]:
    left = MOST_FILES
    folders = [str(folder)]
    while folders and left > 0:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    left -= 1
                    if entry.name == ".git":
                        continue
                    with suppress(OSError):
                        yield entry.stat(follow_symlinks=False).st_mtime
                        if entry.is_dir(follow_symlinks=False):
                            folders.append(entry.path)
        except OSError:
            continue


def declared_until(declaration: Path) -> datetime | None:
    try:
        with declaration.open(encoding="utf-8", errors="replace") as file:
            text = file.read(LONGEST_DECLARATION).strip()
            written = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC)
    except OSError:
        return None
    seconds = times.seconds(text)
    if seconds is not None:
        return written + timedelta(seconds=min(seconds, 366 * 86_400))
    try:
        until = datetime.fromisoformat(text)
    except ValueError:
        return None
    return until if until.tzinfo else until.astimezone()
