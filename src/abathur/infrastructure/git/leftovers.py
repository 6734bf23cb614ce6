"""Committing what an agent left uncommitted.

Call it when no process of the run lives any more. That is what makes locks in the worktree's own
git folder stale by definition.

A repository that the agent made inside the worktree would be committed by git as a link to a
commit that nobody else has. Its files are committed instead, as its own `.gitignore` wants, and
its history stays behind. Worktrees of this very repository inside are left out: their branches
keep what is committed there, and `remove_worktree` refuses when something isn't. Submodules that
`.gitmodules` names stay links.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from abathur.domain.errors import GitError
from abathur.infrastructure.git.commands import Git
from abathur.infrastructure.git.place import Placed
from abathur.infrastructure.git.planted import leave_others_branch, links_of, refuse_planted
from abathur.infrastructure.git.revisions import HEADS, look_up
from abathur.infrastructure.git.status import is_hollow, is_unfinished, operation, status_of
from abathur.infrastructure.git.worktree_list import linked_record, record_of

_SHOWN_PATHS = 5


class Leftovers(Placed):
    async def commit_leftovers(self, path: Path, message: str) -> str:
        record = self._record(path)
        for name in ("index.lock", "HEAD.lock"):
            (record / name).unlink(missing_ok=True)
        git = self._git.at(path)
        await refuse_planted(git, record)
        await leave_others_branch(git, self._common, record)
        found = await status_of(git)
        inside = {*found.repositories_inside, *await links_inside(git, record)}
        foreign = sorted(name for name in inside if self._is_foreign(path / name))
        is_merging = is_unfinished(record)
        if not found.changes and not foreign and not is_merging:
            return _required(found.head, path)
        if found.branch is not None:
            await git.outlast(self._common / f"{HEADS}{found.branch}.lock")
        for name in foreign:
            await _adopt(git, record, {}, name)
        await add_all(git, without=inside.difference(foreign))
        await _commit(git, message, allow_empty=is_merging)
        return _required(await self._head_of(git, found.branch), path)

    async def _head_of(self, git: Git, branch: str | None) -> str | None:
        if branch is None:
            return (await status_of(git)).head
        return (await look_up(self._git, f"{HEADS}{branch}^{{commit}}"))[0]

    async def unfinished(self, path: Path) -> str | None:
        record = linked_record(self._common, path)
        begun = record and operation(record)
        if not begun:
            return None
        listed = await self._git.at(path).run(
            "diff", "--name-only", "--diff-filter=U", "-z", "--no-ext-diff", codes=(0, 128)
        )
        names = [field.decode(errors="replace") for field in listed.fields[:_SHOWN_PATHS]]
        open_paths = f" ({', '.join(names)} not merged)" if names else ""
        return f"a {begun}{open_paths}"

    def _is_foreign(self, folder: Path) -> bool:
        return not is_hollow(folder) and linked_record(self._common, folder) is None

    def _record(self, path: Path) -> Path:
        record = record_of(self._common, path)
        if record and path.is_dir() and not os.path.lexists(path / ".git"):
            # An agent that removes `.git` doesn't thereby take its work back.
            (path / ".git").write_bytes(b"gitdir: " + os.fsencode(record) + b"\n")
        if record is None or linked_record(self._common, path) is None:
            raise GitError(f"{path} isn't a linked worktree of {self._root}; look what is in it")
        return record


async def links_inside(git: Git, record: Path) -> Sequence[str]:
    """Repositories inside that are in the index as links without being submodules."""
    filled = await links_of(git, record)
    return sorted(set(filled) - await _submodules(git)) if filled else []


async def _submodules(git: Git) -> set[str]:
    pattern = r"^submodule\..*\.path$"
    known = await git.run(
        "config", "-z", "--file", ".gitmodules", "--get-regexp", pattern, codes=(0, 1)
    )
    return {os.fsdecode(field.partition(b"\n")[2]) for field in known.fields}


async def _adopt(git: Git, record: Path, env: Mapping[str, str], name: str) -> None:
    """Put the files of the repository at `name` into the index that `env` names.

    They are read into an index of their own first, with the inner repository's folder as the
    working tree: at the top of a working tree git overlooks `.git`, below it it doesn't.
    """
    inner = git.at(git.folder / name)
    index = record / f"abathur-index-{len(env)}-{os.getpid()}"
    own = {"GIT_DIR": str(record), "GIT_WORK_TREE": str(inner.folder), "GIT_INDEX_FILE": str(index)}
    try:
        listed = await inner.run("ls-files", "-z", "--others", "--exclude-standard", env=own)
        for deeper in listed.fields:
            if deeper.endswith(b"/"):
                await _adopt(inner, record, own, os.fsdecode(deeper).removesuffix("/"))
        await inner.run("add", "--all", "--sparse", "--", ".", env=own)
        tree = await inner.run("write-tree", env=own)
    finally:
        index.unlink(missing_ok=True)
    gone = os.fsencode(name) + b"\0"
    await git.run("update-index", "--force-remove", "-z", "--stdin", stdin=gone, env=env)
    await git.run("read-tree", f"--prefix={name}/", tree.text, env=env)


async def add_all(git: Git, without: set[str], env: Mapping[str, str] | None = None) -> None:
    paths = [".", *(f":(exclude,literal,top){name}" for name in sorted(without))]
    given = b"".join(os.fsencode(path) + b"\0" for path in paths)
    listed = ("--pathspec-from-file=-", "--pathspec-file-nul")
    # A worktree is as sparse as the main one; what is made outside of that is work all the same.
    await git.run("add", "--all", "--sparse", *listed, stdin=given, env=env)


async def _commit(git: Git, message: str, allow_empty: bool) -> None:
    args = ["--quiet", "--no-verify", "--allow-empty-message", "--cleanup=verbatim", "--file=-"]
    if allow_empty:
        args.append("--allow-empty")
    text = message.encode(errors="replace") or b"\n"
    try:
        await git.commit("commit", *args, stdin=text)
    except GitError:
        # Git also fails when a change turns out to be none, as with another line ending.
        same = await git.run("diff", "--cached", "--quiet", "HEAD", "--", codes=(0, 1, 128))
        if allow_empty or same.code != 0:
            raise


def _required(head: str | None, path: Path) -> str:
    if head is None:
        raise GitError(f"{path} has no commit and nothing to commit")
    return head
