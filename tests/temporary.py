"""Where tests put their files: in memory, where there is a file system in memory that has room.

A commit to a database or a repository waits for the disk, and tests hardly do anything else. What
a killed process leaves is the same in both places: the disk matters only when the power fails, and
the tests of that say themselves what is lost.
"""

import os
import tempfile
from pathlib import Path

MEMORY = Path("/dev/shm")
NEEDED = 2**30
"""Bytes; ten times what runs were seen to have there at once."""


def move_into_memory() -> None:
    """For this process and those it starts, unless the caller said where temporary files go."""
    if "TMPDIR" not in os.environ and is_fit(MEMORY):
        os.environ["TMPDIR"] = str(MEMORY)
        tempfile.tempdir = None


def is_fit(folder: Path) -> bool:
    """Containers often have a small one there, or one in which no program can be started."""
    if not os.access(folder, os.W_OK):
        return False
    there = os.statvfs(folder)
    runs_programs = not there.f_flag & os.ST_NOEXEC
    return runs_programs and there.f_bavail * there.f_frsize >= NEEDED


def on_disk() -> Path:
    """Where temporary files go otherwise, for agents in a sandbox: it has a memory of its own."""
    chosen = Path(tempfile.gettempdir())
    return Path("/tmp") if chosen == MEMORY else chosen
