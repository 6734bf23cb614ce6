"""Which branch is checked out, read without git: views ask it, and a swarm at each claim."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

HEADS: Final = "refs/heads/"
_MOST_BYTES: Final = 5000
"""Of a `HEAD`: no ref is longer than a path may be."""
_KEPT_ELSEWHERE: Final = "refs/heads/.invalid"
"""What `HEAD` names where refs are in tables instead of files (gitrepository-layout(5))."""


def plain_head(git_dir: Path) -> str | None:
    """The ref in a `HEAD` that is a file of one line; None is for git to read.

    Most are such files. With refs in tables they are there too, but name nothing.
    """
    try:
        text = _content(f"{git_dir}/HEAD")
    except (OSError, ValueError):
        return None
    ref = text.removeprefix("ref: ").removesuffix("\n")
    is_plain = text.startswith("ref: refs/heads/") and ref.isprintable()
    return ref if is_plain and ref != _KEPT_ELSEWHERE else None


def _content(path: str) -> str:
    """In a third of the time that `Path.read_text` takes; this is read at each claim."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(file, _MOST_BYTES).decode()
    finally:
        os.close(file)


def loose_branch(git_dir: Path, branch: str) -> str | None:
    """What stands in the branch's file; None where it has none, which is for git to look into.

    `branch` can be the name of one: it leads out of no folder.
    """
    folder = git_dir / HEADS
    try:
        for part in branch.split("/"):
            # Elsewhere `Main` would open the file of `main`.
            if part not in {entry.name for entry in folder.iterdir()}:
                return None
            folder /= part
        return folder.read_text(encoding="ascii").removesuffix("\n")
    except (OSError, ValueError):
        return None


def checked_out(root: Path) -> str | None:
    """The branch of the main working tree, or of a bare repository; None is for git to tell."""
    for folder in (root / ".git", root):
        if ref := plain_head(folder):
            return ref.removeprefix(HEADS)
    return None


def lacks_branch(root: Path, branch: str) -> bool:
    """Whether a repository at `root` has no such branch; False also where only git can tell."""
    git_dir = root / ".git" if (root / ".git").exists() else root
    if (git_dir / HEADS / branch).is_file() or not (git_dir / HEADS).is_dir():
        return False
    try:
        config = (git_dir / "config").read_bytes().lower()
        packed = git_dir / "packed-refs"
        refs = packed.read_bytes() if packed.exists() else b""
    except OSError:
        return False
    return b"refstorage" not in config and f" {HEADS}{branch}\n".encode() not in refs
