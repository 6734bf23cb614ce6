"""Which branch a task's work will land on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from abathur import bootstrap
from abathur.domain.errors import InvalidInputError, UnknownBranchError
from abathur.domain.protection import check_target

if TYPE_CHECKING:
    from abathur.bootstrap import Project
    from abathur.ports.repository import Repository


class OpenedOnce:
    """The repository of a process that lives long. Opening starts git several times."""

    def __init__(self, project: Project) -> None:
        self._root = project.root
        self._found: Repository | None = None
        self._opening = asyncio.Lock()

    async def __call__(self) -> Repository:
        """Raises `NotARepositoryError`, `GitError`."""
        async with self._opening:
            if self._found is None:
                self._found = await bootstrap.open_repository(self._root)
            return self._found


async def resolve_target(
    project: Project, named: str | None, repository: Repository | None = None
) -> str:
    """The branch named, else the configured one, else the one that is checked out.

    Decided when a task is submitted, so that switching branches later moves no work. Raises
    `UnknownBranchError`, `ProtectedTargetError`, `InvalidInputError`, `GitError`.
    """
    repository = repository or await bootstrap.open_repository(project.root)
    branch = named or project.settings.target_branch or await repository.current_branch()
    if branch is None:
        raise InvalidInputError(
            f"no branch is checked out in {repository.root}; name the target with --target BRANCH"
        )
    await _check(repository, branch)
    check_target(project.settings, branch)
    return branch


async def check_branch(project: Project, branch: str) -> None:
    """Raises `UnknownBranchError`, `GitError`."""
    await _check(await bootstrap.open_repository(project.root), branch)


async def _check(repository: Repository, branch: str) -> None:
    if not await repository.has_branch(branch):
        raise UnknownBranchError(
            f"no branch `{branch}` in {repository.root}; `git branch` shows those there are, "
            f"`git branch {branch}` makes it"
        )
