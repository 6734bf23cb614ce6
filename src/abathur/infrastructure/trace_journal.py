"""Which tasks have something to be told: a file, so that the next swarm tells what a killed one
couldn't.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path


class TraceJournal:
    """A file of one swarm, locked while it lives. Best effort: nothing here raises."""

    def __init__(self, folder: Path, worker_id: str) -> None:
        self._folder, self._path = folder, folder / worker_id
        self._descriptor: int | None = None

    def add(self, task_id: str) -> None:
        with suppress(OSError):
            os.write(self._open(), f"{task_id}\n".encode())

    def clear(self) -> None:
        """All of it was told."""
        if self._descriptor is not None:
            with suppress(OSError):
                os.ftruncate(self._descriptor, 0)

    def close(self, *, all_told: bool) -> None:
        if self._descriptor is not None:
            with suppress(OSError):
                if all_told:
                    self._path.unlink()
                os.close(self._descriptor)
            self._descriptor = None

    def take_over(self) -> Sequence[str]:
        """The tasks of those whose swarm is gone; their files are ours to remove."""
        found: dict[str, None] = {}
        with suppress(OSError):
            for path in sorted(self._folder.iterdir()):
                if path != self._path:
                    found.update(dict.fromkeys(_left_by_dead(path)))
        for task_id in found:
            self.add(task_id)
        return tuple(found)

    def _open(self) -> int:
        if self._descriptor is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            self._descriptor = os.open(self._path, flags, 0o644)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return self._descriptor


def _left_by_dead(path: Path) -> list[str]:
    """Nothing while its swarm lives: that holds the lock."""
    with suppress(OSError), path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lines = file.read(1_000_000).decode("ascii", "replace").splitlines()
        path.unlink()
        return [line for line in lines if line]
    return []
