"""Taking away worktrees that only a check ran in."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from abathur.domain.branches import removal_name
from abathur.domain.errors import GitError
from abathur.infrastructure.git.place import Placed
from abathur.infrastructure.git.unseen_records import discard_unseen, forget
from abathur.infrastructure.git.worktree_list import check_unlocked, record_of
from abathur.infrastructure.git.worktrees import remove_folder


class Scratch(Placed):
    async def remove_detached_worktree(self, path: Path) -> None:
        """What lies in it uncommitted goes too: nobody was asked to work there."""
        # There may be as many files as an installation has, and leases want renewing meanwhile.
        await asyncio.to_thread(self._discard_scratch, path)

    def _discard_scratch(self, path: Path) -> None:
        trash = path.with_name(removal_name(path.name))
        if os.path.lexists(path):
            self._check_scratch(path)
            remove_folder(trash)
            path.rename(trash)
        if record := record_of(self._common, path):
            forget(self._common, record, path.name)
        discard_unseen(self._common, path.name)
        remove_folder(trash)

    def _check_scratch(self, path: Path) -> None:
        """Git knows of a worktree here. Whatever became of it, only a check was in it."""
        record = record_of(self._common, path)
        if record is None:
            raise GitError(f"{path} isn't a worktree of {self._root}; nothing was removed")
        check_unlocked(record)
