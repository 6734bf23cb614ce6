"""Taking away worktrees that only a check ran in."""

from __future__ import annotations

import os
from pathlib import Path

from abathur.domain.errors import GitError
from abathur.infrastructure.git.place import Placed
from abathur.infrastructure.git.status import status_of
from abathur.infrastructure.git.worktree_list import (
    forget,
    is_half_made,
    linked_record,
    record_of,
)
from abathur.infrastructure.git.worktrees import remove_folder


class Scratch(Placed):
    async def remove_detached_worktree(self, path: Path) -> None:
        """What lies in it uncommitted goes too: nobody was asked to work there."""
        trash = path.with_name(f".{path.name}.removed")
        if os.path.lexists(path):
            await self._check_scratch(path)
            remove_folder(trash)
            path.rename(trash)
        if record := record_of(self._common, path):
            forget(record)
        remove_folder(trash)

    async def _check_scratch(self, path: Path) -> None:
        record = linked_record(self._common, path)
        if record is None:
            raise GitError(f"{path} isn't a linked worktree of {self._root}; nothing was removed")
        if is_half_made(record):
            return
        found = await status_of(self._git.at(path))
        if found.branch is not None:
            raise GitError(
                f"{path} has branch `{found.branch}` checked out, so it isn't a scratch worktree; "
                "nothing was removed"
            )
