"""What git knows of working trees: its list, and the record that it keeps of each linked one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from abathur.domain.errors import GitError
from abathur.infrastructure.git.commands import Git


@dataclass(frozen=True, slots=True)
class WorkingTree:
    path: Path
    branch: str | None
    """The full name of the ref; None for a detached head."""


async def working_trees(git: Git, root: Path | None = None) -> Sequence[WorkingTree]:
    """The main one first. A folder in the list needn't exist any more."""
    listed = await git.run("worktree", "list", "--porcelain", "-z")
    main, *others = map(_parsed, os.fsdecode(listed.stdout).removesuffix("\0\0").split("\0\0"))
    # With a separate git folder, git names that one instead of the main working tree.
    return [replace(main, path=root or main.path), *others]


def record_of(common: Path, path: Path) -> Path | None:
    """The record for a worktree at `path`, whatever is there now."""
    wanted = path.resolve()
    for pointer in common.glob("worktrees/*/gitdir"):
        # Another worktree's record may go away while we look.
        with suppress(FileNotFoundError):
            if _pointed_to(pointer.parent, pointer).parent.resolve() == wanted:
                return pointer.parent
    return None


def linked_record(common: Path, path: Path) -> Path | None:
    """The record if `path` is a worktree of this repository: folder and record name each other.

    Asking git instead would find the repository around a folder that has lost its `.git`.
    """
    pointer = path / ".git"
    if pointer.is_symlink() or not pointer.is_file():
        return None
    record = record_of(common, path)
    if record is None or _pointed_to(path, pointer).resolve() != record.resolve():
        return None
    return record


def is_half_made(record: Path) -> bool:
    """`git worktree add` didn't come to its end: nobody has worked there yet."""
    return _lock_reason(record) == "initializing"


def check_unlocked(record: Path) -> None:
    reason = _lock_reason(record)
    if reason not in {None, "initializing"}:
        raise GitError(
            f"the worktree record {record} is locked ({reason}); see `git worktree unlock`"
        )


def forget(record: Path) -> None:
    """What `git worktree prune` does, for this one worktree alone."""
    check_unlocked(record)
    shutil.rmtree(record)


def _parsed(entry: str) -> WorkingTree:
    fields = dict(line.partition(" ")[::2] for line in entry.split("\0"))
    return WorkingTree(Path(fields["worktree"]), fields.get("branch"))


def _pointed_to(base: Path, pointer: Path) -> Path:
    text = os.fsdecode(pointer.read_bytes()).removeprefix("gitdir: ").removesuffix("\n")
    return base / text


def _lock_reason(record: Path) -> str | None:
    try:
        return (record / "locked").read_text(encoding="utf-8", errors="replace").strip()
    except FileNotFoundError:
        return None
