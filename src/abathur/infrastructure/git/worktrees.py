"""Making worktrees and taking them away again, in steps that a crash may fall between."""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path

from abathur.domain.branches import removal_name
from abathur.domain.errors import GitError
from abathur.infrastructure.git.moved import reconnect
from abathur.infrastructure.git.place import Placed
from abathur.infrastructure.git.planted import refuse_planted
from abathur.infrastructure.git.revisions import (
    HEADS,
    commit_of,
    is_ancestor,
    look_up,
    make_branch,
)
from abathur.infrastructure.git.status import is_hollow, is_unfinished, status_of
from abathur.infrastructure.git.unseen_records import discard_unseen, forget, names
from abathur.infrastructure.git.worktree_list import (
    check_unlocked,
    holders,
    is_half_made,
    linked_record,
    record_of,
    recorded_in,
)
from abathur.infrastructure.git.worktree_making import make_worktree

_SHOWN_PATHS = 5


class Worktrees(Placed):
    async def head(self, path: Path) -> str | None:
        if path != self._root and linked_record(self._common, path) is None:
            return None
        git = self._git.at(path)
        found = await git.run(
            "rev-parse", "--verify", "--quiet", "HEAD^{commit}", codes=(0, 1, 128)
        )
        return found.text or None

    async def reconnect(self, folder: Path) -> None:
        await asyncio.to_thread(reconnect, self._common, folder)

    async def recorded_in(self, folder: Path) -> frozenset[str]:
        return await asyncio.to_thread(self._recorded_in, folder)

    def _recorded_in(self, folder: Path) -> frozenset[str]:
        return frozenset([*recorded_in(self._common, folder), *names(self._common)])

    async def add_worktree(self, path: Path, branch: str, start: str) -> None:
        commit = await commit_of(self._git, start)
        tip = (await look_up(self._git, f"{HEADS}{branch}^{{commit}}"))[0]
        if tip not in {None, commit}:
            raise GitError(
                f"branch `{branch}` exists already, at {tip and tip[:12]} and not at {commit[:12]}"
            )
        if await self._is_there(path, commit, branch):
            return
        await asyncio.to_thread(self._clear_the_way, path)
        if tip is None:
            # Not by `git worktree add -b`: should that find a lock taken after it has made the
            # branch, it can't be repeated.
            await make_branch(self._git, branch, commit)
        else:
            await self._check_not_held(branch)
        await make_worktree(self._place, path, branch, commit)

    async def add_detached_worktree(self, path: Path, commit: str) -> None:
        wanted = await commit_of(self._git, commit)
        if await self._is_there(path, wanted, None):
            return
        await asyncio.to_thread(self._clear_the_way, path)
        await make_worktree(self._place, path, None, wanted)

    async def remove_worktree(self, path: Path, *, kept_by: str) -> None:
        inside: list[Path] = []
        if os.path.lexists(path):
            inside = await self._check_removable(path, kept_by)
        try:
            await asyncio.to_thread(self._discard, path, inside)
        except OSError as error:
            raise GitError(f"can't remove {error.filename}: {error.strerror}") from error

    async def _check_not_held(self, branch: str) -> None:
        for path in await holders(self._git, self._place, HEADS + branch):
            raise GitError(f"branch `{branch}` is checked out in {path} already")

    async def _is_there(self, path: Path, commit: str, branch: str | None) -> bool:
        record = linked_record(self._common, path)
        if record is None or is_half_made(record):
            return False
        found = await status_of(self._git.at(path))
        if (found.head, found.branch) != (commit, branch) or found.changes:
            raise GitError(
                f"{path} is a worktree already, of `{found.branch or 'no branch'}` "
                f"with {_shown(found.changes)}; remove it, or choose another folder"
            )
        return True

    def _discard(self, path: Path, inside: Sequence[Path]) -> None:
        # Only what was checked is ever given this name. A crash from here on leaves nothing that
        # could be taken for a worktree, and the next call goes on.
        trash = path.with_name(removal_name(path.name))
        remove_folder(trash)
        if os.path.lexists(path):
            path.rename(trash)
        for gone in (*inside, path):
            if record := record_of(self._common, gone):
                forget(self._common, record, path.name)
        discard_unseen(self._common, path.name)
        remove_folder(trash)

    def _clear_the_way(self, path: Path) -> None:
        """Remove what an interrupted call left, and nothing that anybody may have put there."""
        record = record_of(self._common, path)
        if record and is_half_made(record) and linked_record(self._common, path):
            remove_folder(path)
        elif os.path.lexists(path) and not _is_empty_folder(path):
            raise GitError(
                f"{path} exists and isn't a worktree of {self._root}; move it out of the way"
            )
        if record:
            forget(self._common, record, path.name)
        discard_unseen(self._common, path.name)

    async def _check_removable(self, path: Path, kept_by: str) -> list[Path]:
        """Raise unless all of it is kept; the worktrees of ours that agents made inside."""
        record = linked_record(self._common, path)
        if record is None:
            raise GitError(f"{path} isn't a linked worktree of {self._root}; nothing was removed")
        if is_half_made(record):
            return []
        check_unlocked(record)
        await refuse_planted(self._git.at(path), record)
        found = await status_of(self._git.at(path))
        folders = {f"{name}/": path / name for name in found.repositories_inside}
        inside = {n: p for n, p in folders.items() if linked_record(self._common, p)}
        empty = {name for name, folder in folders.items() if is_hollow(folder)}
        changes = [change for change in found.changes if change not in {*inside, *empty}]
        if changes or is_unfinished(record):
            raise GitError(f"{path} has {_shown(changes)}; nothing was removed")
        await self._check_submodules(record)
        keeper = await commit_of(self._git, kept_by)
        if found.head is None or not await is_ancestor(self._git, found.head, keeper):
            raise GitError(
                f"{path}: `{kept_by}` doesn't contain its head {found.head}; nothing was removed"
            )
        deeper = [await self._check_removable(folder, kept_by) for folder in inside.values()]
        return [*inside.values(), *(folder for folders in deeper for folder in folders)]

    async def _check_submodules(self, record: Path) -> None:
        """A submodule's own repository lies in the record and would go with it."""
        for head in record.glob("modules/**/HEAD"):
            if not (head.parent / "objects").is_dir():
                continue
            git = self._git.at(head.parent)
            listed = ("HEAD", "--branches", "--not", "--remotes")
            # An agent may have named where to fetch what is missing, and how.
            offline = {"GIT_ALLOW_PROTOCOL": "none", "GIT_NO_LAZY_FETCH": "1"}
            asked = ("--git-dir=.", "rev-list", "--max-count=1", *listed)
            unknown = await git.run(*asked, env=offline)
            if unknown.stdout:
                raise GitError(
                    f"submodule {head.parent.name} has the commit {unknown.text[:12]}, which no "
                    "remote has; push it first, nothing was removed"
                )


def _shown(changes: Sequence[str]) -> str:
    if not changes:
        return "no uncommitted change, or an unfinished merge"
    more = f" and {len(changes) - _SHOWN_PATHS} more" if len(changes) > _SHOWN_PATHS else ""
    return f"uncommitted changes ({', '.join(changes[:_SHOWN_PATHS])}{more})"


def _is_empty_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink() and not any(path.iterdir())


def remove_folder(folder: Path) -> None:
    if not os.path.lexists(folder):
        return
    try:
        shutil.rmtree(folder)
    except PermissionError:
        # Some tools write-protect the folders of their caches.
        for place, _, _ in os.walk(folder):
            Path(place).chmod(stat.S_IRWXU)
        shutil.rmtree(folder)
