"""Worktrees of a repository that was moved with the folder that they lie in.

Folder and record name each other by full paths, so after a move neither is believed any more. `git
worktree repair` would do, but only for folders that somebody names.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from abathur.infrastructure.git.worktree_list import pointed_to


def reconnect(common: Path, folder: Path) -> None:
    """Let each worktree in the folder and its record name each other again. Never raises.

    Only where both name places of the same names that are gone: of a copy the first is still there,
    and it is left alone.
    """
    with suppress(OSError):
        for path, record in list(_torn_apart(common, folder)):
            # In this order, so that a crash in between leaves what the next call goes on with.
            (path / ".git").write_bytes(b"gitdir: " + os.fsencode(record) + b"\n")
            (record / "gitdir").write_bytes(os.fsencode(path / ".git") + b"\n")


def _torn_apart(common: Path, folder: Path) -> Iterator[tuple[Path, Path]]:
    for path in folder.iterdir() if folder.is_dir() else ():
        pointer = path / ".git"
        if path.is_symlink() or pointer.is_symlink() or not pointer.is_file():
            continue
        named = pointed_to(path, pointer)
        record = common / "worktrees" / named.name
        gitdir = record / "gitdir"
        if record.is_symlink() or gitdir.is_symlink() or not gitdir.is_file():
            continue
        place = pointed_to(record, gitdir).parent
        is_elsewhere = named != record and os.path.lexists(named)
        if not is_elsewhere and place.name == path.name and not os.path.lexists(place):
            yield path, record
