"""Making a worktree as `git worktree add` makes it, by one process instead of three.

What git writes for it are four small files (gitrepository-layout(5)); the rest is a checkout. The
record appears with all of its files at once, so no git that looks through the worktrees meanwhile
finds half of one. Until the checkout is done it says that it is `initializing`, as git's would.
"""

from __future__ import annotations

import asyncio
import os
import re
from itertools import count
from pathlib import Path
from typing import Final

from abathur.domain.branches import removal_name
from abathur.domain.errors import GitError
from abathur.infrastructure.git.commands import Git
from abathur.infrastructure.git.place import Place
from abathur.infrastructure.git.revisions import HEADS, look_up
from abathur.infrastructure.git.unseen_records import unseen

_ELSEWHERE: Final = ("reftable", "config.worktree", "info/sparse-checkout")
"""Files of what git would take along, or keep in another way."""
_ODD: Final = re.compile("[^A-Za-z0-9_-]")
"""In the name of a record, which is a part of refs."""
_SHARED: Final = b"sharedrepository"
"""Folders get other permissions then."""


async def make_worktree(place: Place, path: Path, branch: str | None, commit: str) -> None:
    """Check the branch out, which is at the commit, or the commit alone where it is None.

    Nothing is at `path`, or an empty folder, and no record names it. When it raises `GitError`,
    what was made can be told by its `locked`.
    """
    head = commit if branch is None else f"ref: {HEADS}{branch}"
    try:
        record = await asyncio.to_thread(_prepared, place.common, path, head)
        if record is None:
            await _add(place.git, path, branch, commit)
            return
        await place.git.at(path).run("read-tree", "--reset", "-u", commit)
        await _check_still_there(place.git, branch, commit)
        (record / "locked").unlink()
    except OSError as error:
        raise GitError(f"can't make the worktree {path}: {error.strerror}") from error


async def _check_still_there(git: Git, branch: str | None, commit: str) -> None:
    """Who was held up here for longer than its lease may have lost the branch to its successor."""
    if branch is None:
        return
    tip = (await look_up(git, f"{HEADS}{branch}^{{commit}}"))[0]
    if tip != commit:
        raise GitError(f"branch `{branch}` went away while its worktree was made")


async def _add(git: Git, path: Path, branch: str | None, commit: str) -> None:
    what = (str(path.absolute()), branch or commit)
    await git.run("worktree", "add", "--quiet", *(() if branch else ("--detach",)), "--", *what)


def _is_plain(common: Path) -> bool:
    if any(os.path.lexists(common / name) for name in _ELSEWHERE):
        return False
    try:
        return _SHARED not in (common / "config").read_bytes().lower()
    except OSError:
        return False


def _prepared(common: Path, path: Path, head: str) -> Path | None:
    """None, and nothing is made, where only git knows what belongs to a worktree."""
    return _prepare(common, path, head) if _is_plain(common) else None


def _prepare(common: Path, path: Path, head: str) -> Path:
    """Each step is a rename, and whoever removes worktrees knows what a crash leaves between."""
    folder = common.resolve() / "worktrees"
    folder.mkdir(exist_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    record = _free_record(folder, _ODD.sub("-", path.name))
    pointer = path.parent.resolve() / path.name / ".git"
    _write_record(record, unseen(common.resolve(), path.name), head, pointer)
    _write_pointer(path, f"gitdir: {record}\n")
    return record


def _write_record(record: Path, place: Path, head: str, pointer: Path) -> None:
    place.mkdir(exist_ok=True)  # of who died before the next step
    for name, text in (
        ("locked", "initializing"),
        ("HEAD", head),
        ("commondir", "../.."),
        ("gitdir", str(pointer)),
    ):
        (place / name).write_bytes(os.fsencode(f"{text}\n"))
    place.rename(record)


def _write_pointer(path: Path, text: str) -> None:
    place = path.with_name(removal_name(path.name))
    try:
        place.mkdir()
    except FileExistsError:
        # Somebody died while he removed one that was here. What is in there isn't for this one.
        path.mkdir(exist_ok=True)
        (path / ".git").write_bytes(os.fsencode(text))
        return
    (place / ".git").write_bytes(os.fsencode(text))
    place.rename(path)


def _free_record(folder: Path, name: str) -> Path:
    records = (folder / (f"{name}{number}" if number else name) for number in count())
    return next(record for record in records if not os.path.lexists(record))
