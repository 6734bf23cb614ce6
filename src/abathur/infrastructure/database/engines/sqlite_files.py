"""Whether the files that are open are still those that go by their names.

SQLite goes on writing into a file that was deleted or replaced under it, and nobody would ever
find what it acknowledges. So the names are looked up again before each batch and each read.
"""

from __future__ import annotations

import os
from pathlib import Path

from abathur.domain.errors import DatabaseReplacedError
from abathur.infrastructure.database.engines.sqlite import Connection, has_moved

Inode = tuple[int, int]


class OpenFiles:
    """Of a database on disk. Any thread may ask; each answer takes some two microseconds."""

    def __init__(self, connection: Connection, path: Path) -> None:
        """The connection has read from the file, so that the log is open too."""
        self._where = str(path)
        self._names = (self._where, f"{self._where}-wal", f"{self._where}-shm")
        self._inodes = self._found()
        # Else a file that came between opening and looking would be taken for the one opened.
        if self._inodes is None or has_moved(connection):
            raise self._error()

    def check(self) -> None:
        """Raises `DatabaseReplacedError`."""
        if self._found() != self._inodes:
            raise self._error()

    def are_in_place(self) -> bool:
        return self._found() == self._inodes

    def _found(self) -> tuple[Inode, ...] | None:
        try:
            # Half of the time that `Path.stat` takes.
            found = [os.stat(name) for name in self._names]  # noqa: PTH116
        except OSError:
            return None
        return tuple([(one.st_dev, one.st_ino) for one in found])

    def _error(self) -> DatabaseReplacedError:
        return DatabaseReplacedError(
            f"`{self._where}` or its -wal or -shm was deleted or replaced while it was open, so "
            "nothing was written; end every Abathur process that uses it, then put the file back "
            "or restore a backup"
        )
