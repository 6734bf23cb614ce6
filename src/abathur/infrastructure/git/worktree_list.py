"""What git knows of working trees: its list, and the record that it keeps of each linked one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from abathur.domain.errors import GitError
from abathur.infrastructure.git.commands import Git
from abathur.infrastructure.git.head import plain_head
from abathur.infrastructure.git.place import Place

_COMMIT = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?")


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


async def holders(git: Git, place: Place, ref: str) -> Sequence[Path]:
    """The working trees that have the branch checked out. A folder among them may be gone."""
    read = _read_holders(place, ref)
    if read is not None:
        return read
    return [tree.path for tree in await working_trees(git, place.root) if tree.branch == ref]


def _read_holders(place: Place, ref: str) -> list[Path] | None:
    """As git would list them, without asking it; None when only git can tell."""
    found: list[Path] = []
    try:
        records = [pointer.parent for pointer in place.common.glob("worktrees/*/gitdir")]
        for git_dir in [place.common, *records]:
            head = plain_head(git_dir) or _detached(git_dir)
            if head is None:
                return None
            if head == ref and not (git_dir == place.common == place.root):  # a bare repository
                is_main = git_dir == place.common
                pointer = git_dir / "gitdir"
                found.append(place.root if is_main else pointed_to(git_dir, pointer).parent)
    except FileNotFoundError:
        return None
    return found


def _detached(git_dir: Path) -> str | None:
    text = (git_dir / "HEAD").read_bytes().rstrip(b"\n")
    return text.decode() if _COMMIT.fullmatch(text) else None


def record_of(common: Path, path: Path) -> Path | None:
    """The record for a worktree at `path`, whatever is there now.

    A link in its place is not followed: it may lead to another worktree.
    """
    wanted = _itself(os.fspath(path))
    found = _records(common, path.name)
    return next((record for record, place in found if place == wanted), None)


def recorded_in(common: Path, folder: Path) -> Iterator[str]:
    """Names in the folder that records say is a worktree, whatever is there now."""
    wanted = os.path.realpath(folder)
    for _, place in _records(common):
        parent, name = os.path.split(place)
        if parent == wanted:
            yield name


def _records(common: Path, likely: str = "") -> Iterator[tuple[Path, str]]:
    """(record, place of its worktree), the likely name of a record first."""
    folder = common / "worktrees"
    names: list[str] = []
    with suppress(FileNotFoundError):
        names = os.listdir(folder)  # noqa: PTH208
    for name in sorted(names, key=lambda name: name != likely):
        record = folder / name
        # Another worktree's record may go away while we look.
        with suppress(FileNotFoundError, NotADirectoryError):
            yield record, _itself(os.path.dirname(pointed_to(record, record / "gitdir")))  # noqa: PTH120


def _itself(path: str) -> str:
    """Without links on the way there; a link in its own place stays one."""
    parent, name = os.path.split(path)
    return os.path.join(os.path.realpath(parent), name)  # noqa: PTH118


def linked_record(common: Path, path: Path) -> Path | None:
    """The record if `path` is a worktree of this repository: folder and record name each other.

    Asking git instead would find the repository around a folder that has lost its `.git`.
    """
    pointer = path / ".git"
    if path.is_symlink() or pointer.is_symlink() or not pointer.is_file():
        return None
    record = record_of(common, path)
    if record is None or pointed_to(path, pointer).resolve() != record.resolve():
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


def _parsed(entry: str) -> WorkingTree:
    fields = dict(line.partition(" ")[::2] for line in entry.split("\0"))
    return WorkingTree(Path(fields["worktree"]), fields.get("branch"))


def pointed_to(base: Path, pointer: Path) -> Path:
    """What the file of a worktree or of its record names; it needn't be there."""
    text = os.fsdecode(pointer.read_bytes()).removeprefix("gitdir: ").removesuffix("\n")
    return base / text


def _lock_reason(record: Path) -> str | None:
    try:
        return (record / "locked").read_text(encoding="utf-8", errors="replace").strip()
    except FileNotFoundError:
        return None
