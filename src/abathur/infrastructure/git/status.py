"""What git says about one working tree: where its head is and what isn't committed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from abathur.infrastructure.git.commands import Git
from abathur.infrastructure.git.diffs import diff_tree
from abathur.infrastructure.git.revisions import is_hash

# The path is what follows that many spaces in a line of porcelain version 2.
_SPACES_BEFORE_PATH = {"1": 8, "u": 10, "?": 1}

ENTRIES: Final = ("--raw", "-z", "--no-renames", "--no-abbrev")
"""How differences are asked for."""

# What git leaves in its folder while a merge, a pick or a revert waits to be finished.
_UNFINISHED = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD")

# Of what git was in the middle. A rebase leaves traces of the pick that it is at, too.
_OPERATIONS = {
    "rebase-merge": "rebase",
    "rebase-apply": "rebase",
    "MERGE_HEAD": "merge",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
    "sequencer": "cherry-pick",
    "BISECT_LOG": "bisect",
}


@dataclass(frozen=True, slots=True)
class Status:
    head: str | None
    """None when the branch has no commit yet."""
    branch: str | None
    """Without `refs/heads/`; None when the head is detached."""
    changes: Sequence[str]
    """Paths that differ or are new, ignored files left out. A repository inside ends in `/`."""

    @property
    def repositories_inside(self) -> Sequence[str]:
        return [path.removesuffix("/") for path in self.changes if path.endswith("/")]


async def status_of(git: Git) -> Status:
    result = await git.run(
        "status",
        "--porcelain=v2",
        "-z",
        "--branch",
        "--no-ahead-behind",
        "--no-renames",
        "--untracked-files=all",
        "--ignore-submodules=none",
    )
    fields = [os.fsdecode(field) for field in result.fields]
    headers = dict(field[2:].split(" ", 1) for field in fields if field.startswith("# "))
    head, branch = headers["branch.oid"], headers["branch.head"]
    return Status(
        head=None if head == "(initial)" else head,
        branch=None if branch == "(detached)" else branch,
        changes=[_path(field) for field in fields if not field.startswith("# ")],
    )


Entry = tuple[bytes, bytes, bytes]
"""Path, mode and object of a file in an index or a commit; without one, the two are zeros."""


@dataclass(frozen=True, slots=True)
class Tracked:
    """Of a working tree's tracked files."""

    head: str | None
    """None when the branch has no commit yet."""
    staged: frozenset[Entry]
    """What the index has otherwise than the head."""
    is_clean: bool
    """Whether the files are as the index has them, and nothing waits to be merged."""


async def tracked(git: Git) -> Tracked:
    """Other than `git diff` it never writes the index."""
    result = await git.run(
        "status",
        "--porcelain=v2",
        "-z",
        "--branch",
        "--no-ahead-behind",
        "--no-renames",
        "--untracked-files=no",
        "--ignore-submodules=dirty",
    )
    headers = dict(field[2:].split(b" ", 1) for field in result.fields if field[:1] == b"#")
    entries = [field for field in result.fields if field[:1] != b"#"]
    head = headers[b"branch.oid"].decode()
    return Tracked(
        head=head if is_hash(head) else None,
        staged=frozenset(map(_staged, (entry for entry in entries if entry.startswith(b"1 ")))),
        # `1 XY ...` has the working tree's state at Y; all that is unmerged has one, too.
        is_clean=all(entry.startswith(b"1 ") and entry[3:4] == b"." for entry in entries),
    )


def _staged(line: bytes) -> Entry:
    """Of `1 XY SUBMODULE MODE-IN-HEAD MODE-IN-INDEX MODE HASH-IN-HEAD HASH-IN-INDEX PATH`."""
    fields = line.split(b" ", 8)
    return fields[8], fields[4], fields[7]


async def changed_entries(git: Git, old: str, new: str) -> list[tuple[Entry, Entry]]:
    """What differs between two commits, as it was and as it is."""
    fields = (await diff_tree(git, old, new, *ENTRIES)).split(b"\0")
    return [
        (
            (path, words[0].removeprefix(b":"), words[2]),
            (path, words[1], words[3]),
        )
        for words, path in zip(map(bytes.split, fields[::2]), fields[1::2], strict=False)
    ]


def is_unfinished(git_dir: Path) -> bool:
    return any((git_dir / name).exists() for name in _UNFINISHED)


def operation(git_dir: Path) -> str | None:
    """The name of a git command that was begun there and not ended."""
    found = (name for trace, name in _OPERATIONS.items() if (git_dir / trace).exists())
    return next(found, None)


def is_hollow(repository: Path) -> bool:
    """Nothing but its `.git`: there is no work in it."""
    return all(entry.name == ".git" for entry in repository.iterdir())


def _path(line: str) -> str:
    return line.split(" ", _SPACES_BEFORE_PATH[line[0]])[-1]
