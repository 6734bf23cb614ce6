"""Whether anything in some folders has changed, told by their entries alone."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

YOUNG_NS: Final = 2_000_000_000
"""What was changed so recently may change once more without a sign: times of files are coarse."""

Entry = tuple[str, int, int, int, int]


def state_of(folders: Iterable[Path]) -> frozenset[Entry] | None:
    """Equal to an earlier one where nothing below the folders was changed since.

    None where that can't be told: something is too young, or can't be looked at.
    """
    try:
        entries = frozenset(entry for folder in folders for entry in _entries(folder))
    except OSError:
        return None
    before = time.time_ns() - YOUNG_NS
    return None if any(changed_at > before for *_, changed_at in entries) else entries


def _entries(folder: Path) -> Iterator[Entry]:
    """Links to folders aren't followed, so that there can be no circles. Raises `OSError`."""
    if not folder.is_dir():
        return
    pending = [str(folder)]
    while pending:
        with os.scandir(pending.pop()) as listed:
            for one in listed:
                now = one.stat()
                yield one.path, now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns
                if one.is_dir(follow_symlinks=False):
                    pending.append(one.path)
