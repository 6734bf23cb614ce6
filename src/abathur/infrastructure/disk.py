"""The disk that a project is on, and what the project keeps there."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

from abathur.domain.disk import Kept
from abathur.domain.errors import GitError
from abathur.infrastructure.git.commands import Git

BLOCK: Final = 512
"""Bytes of what `st_blocks` counts, on all systems."""


@dataclass(frozen=True, slots=True)
class SystemDisk:
    """Meets `ports.disk.Disk`."""

    root: Path
    folder: Path
    """The project's `.abathur`."""

    async def free(self) -> int | None:
        return await asyncio.to_thread(free_bytes, (self.root, self.folder))

    async def kept(self) -> Kept:
        def walk() -> list[int]:
            parts = (("worktrees",), ("runs", "sessions"), ("logs",), ("spool",))
            return [sum(used_bytes(self.folder / name) for name in names) for names in parts]

        worktrees, transcripts, logs, spool = await asyncio.to_thread(walk)
        return Kept(
            worktrees=worktrees,
            transcripts=transcripts,
            logs=logs,
            spool=spool,
            salvage=await self._salvage(),
        )

    async def _salvage(self) -> int:
        found = await Git(self.root).run(
            "rev-list",
            "--objects",
            "--disk-usage",
            "--glob=refs/abathur/salvage",
            "--not",
            "--branches",
            "--tags",
            "--remotes",
        )
        try:
            return int(found.text or 0)
        except ValueError as error:
            raise GitError(f"git said `{found.text:.60}` for a size") from error

    async def transcripts(self) -> Sequence[str]:
        return await asyncio.to_thread(_task_folders, self.folder / "runs")

    async def transcripts_size(self, task_id: str) -> int:
        return await asyncio.to_thread(used_bytes, _folder_of(self.folder / "runs", task_id))

    async def drop_transcripts(self, task_id: str) -> int:
        return await asyncio.to_thread(drop, self.folder / "runs", task_id)


def free_bytes(places: Sequence[Path]) -> int | None:
    """Where there are fewest; folders that aren't there don't count."""
    found = []
    for place in places:
        try:
            stat = os.statvfs(place)
        except OSError:
            continue
        found.append(stat.f_bavail * stat.f_frsize)
    return min(found, default=None)


def used_bytes(folder: Path) -> int:
    """On the disk, of everything below; what goes away meanwhile isn't counted."""
    total = 0
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    total += entry.stat(follow_symlinks=False).st_blocks * BLOCK
                    if entry.is_dir(follow_symlinks=False):
                        total += used_bytes(Path(entry.path))
                except OSError:
                    continue
    except OSError:
        return total
    return total


def _task_folders(runs: Path) -> list[str]:
    try:
        with os.scandir(runs) as entries:
            names = [one.name for one in entries if one.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    return sorted(name for name in names if _is_task_id(name))


def _is_task_id(name: str) -> bool:
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False


def drop(runs: Path, task_id: str) -> int:
    """Raises `OSError`. A link in the folder's place isn't followed."""
    folder = _folder_of(runs, task_id)
    size = used_bytes(folder)
    with suppress(FileNotFoundError):
        shutil.rmtree(folder)
    return size


def _folder_of(runs: Path, task_id: str) -> Path:
    if not _is_task_id(task_id):
        raise OSError(f"`{task_id}` isn't the id of a task")
    return runs / task_id
