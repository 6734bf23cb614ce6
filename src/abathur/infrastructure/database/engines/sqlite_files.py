"""Whether the files that are open are still those that go by their names.

SQLite goes on writing into a file that was deleted or replaced under it, and nobody would ever
find what it acknowledges. So the names are looked up again before each batch and each read.
"""

from __future__ import annotations

import os
from pathlib import Path

from abathur.domain.errors import DatabaseReplacedError
from abathur.infrastructure.database.engines.sqlite import Connection, has_moved

Inode = tuple[float, ...]


class OpenFiles:
    """Of a database on disk. Any thread may ask; each answer takes some three microseconds."""

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
        """Inode and device of each, None when one is missing."""
        file, log, index = self._names
        try:
            # Half of the time that `Path.stat` and names of the fields take.
            return os.stat(file)[1:3], os.stat(log)[1:3], os.stat(index)[1:3]  # noqa: PTH116
        except OSError:
            return None

    def _error(self) -> DatabaseReplacedError:
        return DatabaseReplacedError(
            f"`{self._where}` or its -wal or -shm was deleted or replaced while it was open, so "
            "nothing was written; end every Abathur process that uses it, then put the file back "
            "or restore a backup"
        )
