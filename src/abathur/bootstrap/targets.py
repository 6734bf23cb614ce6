"""Which branch a task's work will land on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abathur import bootstrap
from abathur.domain.errors import InvalidInputError, UnknownBranchError
from abathur.domain.protection import check_target

if TYPE_CHECKING:
    from abathur.bootstrap import Project
    from abathur.ports.repository import Repository


async def resolve_target(project: Project, named: str | None) -> str:
    """The branch named, else the configured one, else the one that is checked out.

    Decided when a task is submitted, so that switching branches later moves no work. Raises
    `UnknownBranchError`, `ProtectedTargetError`, `InvalidInputError`, `GitError`.
    """
    repository = await bootstrap.open_repository(project.root)
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
    if branch not in await repository.branches():
        raise UnknownBranchError(
            f"no branch `{branch}` in {repository.root}; `git branch` shows those there are, "
            f"`git branch {branch}` makes it"
        )
