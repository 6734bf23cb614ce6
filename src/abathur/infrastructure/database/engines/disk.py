"""What makes files and names outlive a power cut.

None of it is for a database that this process has open: closing a file ends SQLite's locks on it.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path


def sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def sync_folder(path: Path) -> None:
    """The folder that the file is in, and so its name."""
    sync(path.parent)


def publish(partial: Path, target: Path) -> None:
    """Give a complete file its name, for good. Raises `FileExistsError` rather than replace one."""
    sync(partial)
    try:
        # Unlike a rename, a link never replaces a file that came into being meanwhile.
        os.link(partial, target)
    except FileExistsError:
        raise
    except OSError:
        # Not every file system has links.
        if target.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
        partial.rename(target)
    sync_folder(target)


def copy(source: Path, target: Path) -> None:
    # Loading it takes longer than opening a database does, which may have to copy one.
    import shutil

    shutil.copyfile(source, target)
    sync(target)


def link_or_copy(source: Path, target: Path) -> None:
    """A second name where the file system has links. Raises `FileExistsError`."""
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:
        copy(source, target)
