"""What doctor and the front doors tell of this machine and its agents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from abathur import safeguards

if TYPE_CHECKING:
    from abathur.bootstrap import Project
    from abathur.domain.disk import Kept
    from abathur.ports.diagnosis import Machine, Program, Target
    from abathur.ports.repository import Repository


def agent_problem(project: Project, agent_type: str) -> str | None:
    """Why agents of this type can't be run here; None when nothing is known to be in the way."""
    from abathur.infrastructure.diagnosis import problem_of

    return problem_of(project.root, project.settings, agent_type)


async def machine_facts(folder: Path) -> Machine:
    """The versions of what Abathur stands on, and the room on the folder's disk."""
    from abathur.infrastructure.diagnosis import machine

    return await machine(folder)


async def kept_on_disk(project: Project) -> Kept | None:
    """How much the project's own files take; None when git can't tell its part of it."""
    from abathur.domain.errors import GitError
    from abathur.infrastructure.disk import SystemDisk

    try:
        return await SystemDisk(project.root, project.folder).kept()
    except GitError:
        return None


async def agent_programs(project: Project, wanted: Iterable[str]) -> Sequence[Program]:
    """What would serve each agent type that is configured, defined or wanted."""
    from abathur.infrastructure.diagnosis import programs

    may_run = not safeguards.find_trust(project.root).asked
    return await programs(project.root, project.settings, wanted, may_run=may_run)


def definition_problems(project: Project) -> tuple[str, ...]:
    """Lines like `FILE:LINE: ...` about agent definitions that can't be used."""
    from abathur.infrastructure.diagnosis import definition_problems as problems

    return problems(project.root)


async def default_target(project: Project, repository: Repository) -> Target:
    """Where work lands that names no target. Raises `GitError`."""
    from abathur.infrastructure.diagnosis import target

    return await target(repository, project.settings)
