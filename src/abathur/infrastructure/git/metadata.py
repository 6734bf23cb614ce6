"""Which files of the repository a program needs that works and commits in one worktree."""

from __future__ import annotations

import os
from pathlib import Path

from abathur.domain.errors import GitError
from abathur.infrastructure.git.place import Placed
from abathur.infrastructure.git.revisions import HEADS
from abathur.infrastructure.git.worktree_list import linked_record
from abathur.ports.repository import Metadata


class MetadataFiles(Placed):
    async def metadata(self, path: Path, branch: str | None) -> Metadata:
        record = linked_record(self._common, path)
        if record is None:
            raise GitError(f"{path} isn't a linked worktree of {self._root}")
        own = self._common / "config"
        objects = self._common / "objects"
        # Git would read it, and run what it names, once somebody switches that on.
        settings = record / "config.worktree"
        settings.touch()
        locked = [path / ".git", record / "commondir", record / "gitdir", settings]
        writable = [record]
        if branch is not None:
            writable += [objects, *self._folders_of(branch)]
            locked += [objects / "pack", objects / "info"]
        return Metadata(
            readable=(self._common, *_alternates(objects)),
            writable=tuple(writable),
            locked=(*locked, own),
        )

    def _folders_of(self, branch: str) -> list[Path]:
        """Where git keeps the branch and its log. Others of the same task title lie there too."""
        name = f"{HEADS}{branch}"
        if (self._common / "reftable").exists():
            raise GitError(
                "branches are in a reftable here, where one can't be written without all; "
                "set `sandbox: off`, or go back with `git refs migrate --ref-format=files`"
            )
        if branch.count("/") < 1:
            raise GitError(
                f"branch `{branch}` lies beside all others, which a sandbox can't let be written"
            )
        folders = [(self._common / name).parent, (self._common / "logs" / name).parent]
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
        return folders


def _alternates(objects: Path) -> list[Path]:
    file = objects / "info" / "alternates"
    if not file.is_file():
        return []
    lines = file.read_bytes().splitlines()
    return [objects / os.fsdecode(line) for line in lines if line and not line.startswith(b"#")]
