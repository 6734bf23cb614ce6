"""Where a repository is: what all parts of it are made from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from abathur.infrastructure.git.commands import Git


@dataclass(frozen=True, slots=True)
class Place:
    git: Git
    """In the root."""
    root: Path
    """The top of the main working tree, or a bare repository's folder."""
    common: Path
    """The folder that all worktrees share: objects, refs, worktree records."""


class Placed:
    """A part of the repository."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._git = place.git
        self._root = place.root
        self._common = place.common
