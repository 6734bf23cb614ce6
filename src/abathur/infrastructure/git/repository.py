"""`ports.repository.Repository` on a git repository of this machine."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from abathur.domain.errors import GitError, NotARepositoryError
from abathur.infrastructure.git import added, status
from abathur.infrastructure.git.checkouts import Checkouts
from abathur.infrastructure.git.commands import Git
from abathur.infrastructure.git.conflicts import Conflicts
from abathur.infrastructure.git.diffs import KeptDiffs
from abathur.infrastructure.git.inspecting import Inspecting
from abathur.infrastructure.git.leftovers import Leftovers
from abathur.infrastructure.git.merging import Merging
from abathur.infrastructure.git.metadata import MetadataFiles
from abathur.infrastructure.git.objects import KeptObjects
from abathur.infrastructure.git.place import Place
from abathur.infrastructure.git.proving import Proving
from abathur.infrastructure.git.refs import Refs
from abathur.infrastructure.git.scratch import Scratch
from abathur.infrastructure.git.seals import Seals
from abathur.infrastructure.git.snapshots import Snapshots
from abathur.infrastructure.git.sparse import Sparse
from abathur.infrastructure.git.worktree_list import working_trees
from abathur.infrastructure.git.worktrees import Worktrees

OLDEST_GIT = (2, 38)
"""The first one that merges without a working tree."""


class GitRepository(
    Refs,
    Seals,
    Worktrees,
    Scratch,
    Leftovers,
    Snapshots,
    Checkouts,
    Merging,
    Proving,
    Conflicts,
    Inspecting,
    MetadataFiles,
    Sparse,
):
    """Made by `open_repository`."""

    @property
    def root(self) -> Path:
        return self._root

    @asynccontextmanager
    async def kept_open(self) -> AsyncIterator[None]:
        objects, diffs = KeptObjects(self._git), KeptDiffs(self._git)
        self._git.objects, self._git.diffs = objects, diffs
        try:
            yield
        finally:
            self._git.objects = self._git.diffs = None
            await objects.close()
            await diffs.close()

    async def warm_up(self) -> None:
        objects, diffs = self._git.objects, self._git.diffs
        if objects is not None and diffs is not None:
            await asyncio.gather(
                objects.start(),
                *(diffs.start(options) for options in (added.OPTIONS, status.ENTRIES)),
                self._git.learn_identity(),
            )


async def open_repository(
    path: Path,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    tags: Mapping[str, str] | None = None,
) -> GitRepository:
    """The repository around `path`, which may be any folder in it, a linked worktree too.

    `sleep` waits for locks of other git processes; `tags` are variables that mark ours, for
    finding those that outlive us. Raises `NotARepositoryError`, or `GitError`
    when the repository has no commit yet or git is too old.
    """
    git = Git(path, sleep, tags)
    await _check_version(git)
    place = await _locate(git)
    repository = GitRepository(place)
    if await repository.resolve("HEAD") is None and not await repository.branches():
        raise GitError(
            f"{place.root} has no commit yet; make one: `git commit --allow-empty -m Start`"
        )
    return repository


async def _check_version(git: Git) -> None:
    text = (await git.run("version")).text
    numbers = re.search(r"(\d+)\.(\d+)", text)
    if numbers and (int(numbers[1]), int(numbers[2])) < OLDEST_GIT:
        needed = ".".join(map(str, OLDEST_GIT))
        raise GitError(f"this is {text}, but git {needed} or newer is needed; install a newer one")


async def _locate(git: Git) -> Place:
    asked = ("--is-inside-work-tree", "--absolute-git-dir", "--git-common-dir")
    try:
        found = await git.run("rev-parse", "--path-format=absolute", *asked)
    except GitError as error:
        if "not a git repository" not in str(error):
            raise
        raise NotARepositoryError(
            f"{git.folder} is in no git repository; go into one with `cd`, or run `git init`"
        ) from error
    lines = found.text.split("\n")
    if len(lines) != len(asked):
        raise GitError(
            f"the path {str(git.folder)!r} has a line break, with which git's lists can't be told "
            "apart; give the folder another name"
        )
    is_inside, own, common = lines
    if is_inside == "true" and own == common:
        root = Path((await git.run("rev-parse", "--show-toplevel")).text)
    else:
        root = (await working_trees(git))[0].path
    return Place(git.at(root), root, Path(common))
