"""Which files were open when this process was forked from another: they can't be opened here.

SQLite keeps its locks and its view of each open file in the memory of the process. A child has a
copy of that, but not the locks: a connection that it opens itself takes them for its own, doesn't
see what is in the log, and may write where nobody looks.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from abathur.domain.errors import DatabaseError

_open: Final[list[Path]] = []
"""One entry for each engine; only changed by single steps, which need no lock."""
_inherited: Final[set[Path]] = set()


def note_open(path: Path) -> None:
    """Call it before the first connection. Raises `DatabaseError` when that would be wrong here."""
    if path in _inherited:
        raise DatabaseError(
            f"`{path}` was open in the process that this one was forked from; open it after the "
            "fork only, or start processes by `spawn`"
        )
    _open.append(path)


def note_closed(path: Path) -> None:
    """Call it after the last connection."""
    _open.remove(path)


def _forked() -> None:
    _inherited.update(_open)
    _open.clear()


os.register_at_fork(after_in_child=_forked)
