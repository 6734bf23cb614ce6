"""Folders of the sockets by which processes tell each other of commits.

The last who leaves removes the folder. One that was left by a kill goes when the next process
makes one: a project may be gone for good, and nobody else would ever look there.
"""

from __future__ import annotations

import os
import re
import socket
import stat
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Final

LONGEST_ADDRESS: Final = 100
"""Bytes; the systems' limits are 104 and 108."""
LONGEST_NAME: Final = f"{'9' * 10}-{'9' * 6}.sock"
ELSEWHERE: Final = re.compile(r"abathur-[0-9a-f]{16}")
CLEARED: Final = 100
"""Folders of others that are looked at in one go."""


def folder_of(database: Path) -> Path:
    """Beside the database, or in the temporary folder if an address there would be too long."""
    beside = database.parent / "wake"
    if len(os.fsencode(beside / LONGEST_NAME)) <= LONGEST_ADDRESS:
        return beside
    # Seldom needed, and slow to import.
    import tempfile

    digest = sha256(os.fsencode(database.parent)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"abathur-{digest}"


def make(folder: Path) -> bool:
    """Make it if need be; False when it can't be used.

    In a shared temporary folder somebody else may have been first. Raises `FileNotFoundError` when
    whoever left last has removed it just now.
    """
    if not hasattr(socket, "AF_UNIX"):
        return False
    try:
        folder.mkdir(mode=0o700)
        is_new = True
    except FileExistsError:
        is_new = False
    except OSError:
        return False
    if is_new and ELSEWHERE.fullmatch(folder.name):
        _clear_beside(folder)
    return _is_ours(folder.lstat())


def leave(folder: Path) -> None:
    """Remove it, unless somebody alive has a socket in it."""
    with suppress(OSError):
        for box in folder.glob("*.sock"):
            if not _is_dead(box):
                return
            box.unlink()
        folder.rmdir()


def _clear_beside(folder: Path) -> None:
    with suppress(OSError):
        for found in islice(_beside(folder), CLEARED):
            leave(found)


def _beside(folder: Path) -> Iterator[Path]:
    with os.scandir(folder.parent) as entries:
        for entry in entries:
            if not ELSEWHERE.fullmatch(entry.name) or entry.name == folder.name:
                continue
            with suppress(FileNotFoundError):
                if _is_ours(entry.stat(follow_symlinks=False)):
                    yield Path(entry.path)


def _is_ours(found: os.stat_result) -> bool:
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()


def _is_dead(box: Path) -> bool:
    """Whether nobody reads it any more."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(str(box))
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
    return False
