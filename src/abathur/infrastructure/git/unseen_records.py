"""Records of worktrees that git doesn't see: one that is being written, or is being removed.

They lie beside the folder of the records, under a name made of the worktree's own, so whoever finds
what a crash has left knows whose it was. By one rename each they come into that folder and leave
it: a git that looks through the worktrees never meets a part of one.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from abathur.domain.errors import GitError
from abathur.infrastructure.git.worktree_list import check_unlocked

_PREFIX: Final = "abathur-worktree-"


def unseen(common: Path, name: str) -> Path:
    """Where the record of the worktree in a folder of that name is out of git's sight."""
    place = common / f"{_PREFIX}{name}"
    if place.is_symlink():
        raise GitError(f"{place} is a link, which we would write through; look who made it")
    return place


def names(common: Path) -> Iterator[str]:
    """Of the worktrees that there is such a record of."""
    yield from (place.name.removeprefix(_PREFIX) for place in common.glob(f"{_PREFIX}*"))


def forget(common: Path, record: Path, name: str) -> None:
    """What `git worktree prune` does, for this one worktree alone."""
    check_unlocked(record)
    discard_unseen(common, name)
    record.rename(unseen(common, name))
    discard_unseen(common, name)


def discard_unseen(common: Path, name: str) -> None:
    """Remove what is out of git's sight already."""
    with suppress(FileNotFoundError):
        shutil.rmtree(unseen(common, name))
