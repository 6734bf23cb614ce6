"""People's working trees that have a target branch checked out, and bringing them along."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from abathur.domain.errors import GitError
from abathur.infrastructure.git.commands import Git
from abathur.infrastructure.git.place import Placed
from abathur.infrastructure.git.revisions import HEADS, require_hash
from abathur.infrastructure.git.status import changed_entries, is_unfinished, operation, tracked
from abathur.infrastructure.git.worktree_list import holders, linked_record
from abathur.ports.repository import CheckedOut

_NONE = b"000000"
"""The mode of a file that isn't there."""

# Said before git touches the first file, when a person is at work at the same moment.
_TOUCHED = "not uptodate"
_REFUSALS = ("would be overwritten", "would be removed", _TOUCHED, ".lock': File exists")


class Checkouts(Placed):
    async def checked_out(self, branch: str) -> Sequence[Path]:
        found = await holders(self._git, self._place, HEADS + branch)
        return [path for path in found if self._is_working_tree(path)]

    async def checkouts(self, branch: str, at: str) -> Sequence[CheckedOut]:
        require_hash(at)
        return [
            CheckedOut(path=path, is_dirty=await self._is_dirty(path, at), in_use=self._use(path))
            for path in await self.checked_out(branch)
        ]

    def _use(self, path: Path) -> str:
        git_dir = self._git_dir(path)
        if is_unfinished(git_dir):
            return f"an unfinished {operation(git_dir)}"
        lock = git_dir / "index.lock"
        return f"the lock `{lock}` of a git that works or has died" if lock.exists() else ""

    def _is_working_tree(self, path: Path) -> bool:
        """A folder that git remembers may be gone, or have become something else."""
        is_main = path.resolve() == self._root.resolve()
        return is_main or linked_record(self._common, path) is not None

    async def bring_along(self, path: Path, old: str, new: str) -> bool:
        """Untracked files are left alone, ignored ones too: one in the way makes it unsafe."""
        require_hash(old)
        require_hash(new)
        git = self._git.at(path)
        if await self._is_dirty(path, old) or await self._would_cover(path, old, new):
            return False
        try:
            await _read_tree(git, old, new)
        except GitError as error:
            if any(reason in str(error) for reason in _REFUSALS):
                return False
            raise
        return True

    async def _would_cover(self, path: Path, old: str, new: str) -> bool:
        """`read-tree` itself overwrites ignored files."""
        changed = await changed_entries(self._git, old, new)
        added = [os.fsdecode(name) for (name, mode, _), _ in changed if mode == _NONE]
        return any(_is_taken(path, name) for name in added)

    async def _is_dirty(self, path: Path, at: str) -> bool:
        if self._use(path):
            return True
        found = await tracked(self._git.at(path))
        if found.head is None or not found.is_clean:
            return True
        # The head may have moved on without the index: then that lags by just the difference.
        lag = await changed_entries(self._git, found.head, at) if found.head != at else []
        return found.staged != {entry for _, entry in lag}

    def _git_dir(self, path: Path) -> Path:
        if path.resolve() == self._root.resolve():
            return self._common
        if record := linked_record(self._common, path):
            return record
        raise GitError(f"{path} isn't a working tree of {self._root}")


async def _read_tree(git: Git, old: str, new: str) -> None:
    move = ("read-tree", "-m", "-u", old, new)
    try:
        await git.run(*move, waits_for_locks=False)
    except GitError as error:
        if _TOUCHED not in str(error):
            raise
        # A file that was touched but not changed is taken for a changed one until that is seen.
        await git.run("update-index", "-q", "--refresh", waits_for_locks=False)
        await git.run(*move, waits_for_locks=False)


def _is_taken(folder: Path, name: str) -> bool:
    return os.path.lexists(folder / name) or any(
        parent.is_symlink() or parent.is_file()
        for parent in (folder / name).parents
        if parent != folder and parent.is_relative_to(folder)
    )
