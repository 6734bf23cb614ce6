"""What an agent may have planted where our own git works afterwards, with all that we may do.

Git writes through links in its own folder, to whatever a branch stands for, and runs what the
configuration of a repository inside a worktree names. So before git works in a worktree that an
agent was in: its record holds no link, its head is a branch of an agent or none, and no
repository inside that git would look into names a program.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from abathur.domain.branches import is_task_branch
from abathur.domain.errors import GitError
from abathur.infrastructure.git.commands import Git
from abathur.infrastructure.git.revisions import HEADS

LINK: Final = b"160000 "
"""The mode of a repository inside, as git prints it."""
_LINK_IN_INDEX: Final = b"\0\0\xe0\0"
_OWN: Final = ("logs", "refs")
_SYMBOLIC: Final = "ref: "
_RUNNING: Final = (
    r"^(filter|include|includeif|alias|credential|diff|merge|protocol|uploadpack|gpg)\."
    r"|^core\.(fsmonitor|hookspath|sshcommand|gitproxy|alternaterefscommand|attributesfile)$"
    r"|^remote\..*\.(uploadpack|receivepack|vcs|promisor)$"
    r"|^extensions\.(partialclone|worktreeconfig)$"
)


async def leave_others_branch(git: Git, common: Path, record: Path) -> None:
    """What is committed in the worktree from here on moves no branch but an agent's own.

    Raises `GitError` where a link is in its place.
    """
    name = _branch(record)
    if name is not None and not _is_own(common, name):
        head = await git.run("rev-parse", "--verify", "--end-of-options", "HEAD^{commit}")
        await git.run("update-ref", "--no-deref", "HEAD", head.text)


async def refuse_planted(git: Git, record: Path) -> None:
    """Raise `GitError` when git, looking for changes, would write elsewhere or run something."""
    _refuse_links(record)
    for inside in await links_of(git, record):
        await _refuse_programs(git.at(git.folder / inside))


async def links_of(git: Git, record: Path) -> Sequence[str]:
    """Like `links`; git isn't asked where the index of the worktree's record holds none."""
    return await links(git) if _may_have_links(record) else ()


async def links(git: Git) -> Sequence[str]:
    """Repositories inside that are in the index as links and are there."""
    listed = await git.run("ls-files", "--stage", "-z")
    names = [
        os.fsdecode(entry.partition(b"\t")[2]) for entry in listed.fields if entry.startswith(LINK)
    ]
    return [name for name in names if os.path.lexists(git.folder / name / ".git")]


def _branch(record: Path) -> str | None:
    text = (record / "HEAD").read_text(encoding="utf-8", errors="surrogateescape")
    return text.removeprefix(_SYMBOLIC).strip() if text.startswith(_SYMBOLIC) else None


def _is_own(common: Path, name: str) -> bool:
    """A branch of an agent's that stands for itself, not for another one."""
    if not is_task_branch(name.removeprefix(HEADS)) or not name.startswith(HEADS):
        return False
    for file in (common / name, common / "logs" / name):
        if file.is_symlink():
            raise _refused(file)
    try:
        return not (common / name).read_bytes().startswith(_SYMBOLIC.encode())
    except OSError:
        return True


def _refuse_links(record: Path) -> None:
    for place, folders, files in os.walk(record):
        for name in (*folders, *files):
            if (found := Path(place, name)).is_symlink():
                raise _refused(found)
        if Path(place) == record:
            # A submodule's repository is deeper, and its files are its own affair.
            folders[:] = [name for name in folders if name in _OWN]


def _refused(link: Path) -> GitError:
    return GitError(f"{link} is a link, which git would write through; look who made it")


def _may_have_links(record: Path) -> bool:
    """Reading the index as bytes is much faster than to have git list it."""
    files = [record / "index", *record.glob("sharedindex.*")]
    return any(file.is_file() and _LINK_IN_INDEX in file.read_bytes() for file in files)


async def _refuse_programs(inner: Git) -> None:
    """Looking for changes git goes into a repository inside, and does as its configuration says."""
    asked = ("rev-parse", "--path-format=absolute", "--git-common-dir")
    common = Path((await inner.run(*asked)).text)
    named = await inner.run(
        *("config", "-z", "--no-includes", "--name-only", "--file", str(common / "config")),
        *("--get-regexp", _RUNNING),
        codes=(0, 1),
    )
    if named.fields:
        key = os.fsdecode(named.fields[0])
        raise GitError(
            f"the repository {inner.folder} in the worktree has `{key}` in its configuration, "
            f"which git would run; look at {common / 'config'}"
        )
    for deeper in await links(inner):
        await _refuse_programs(inner.at(inner.folder / deeper))
