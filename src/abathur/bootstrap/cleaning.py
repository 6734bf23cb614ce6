"""What removes what is proven to be of no use, for a project's own folders and refs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from abathur.bootstrap import Project
    from abathur.ports.stores import UnitOfWork
    from abathur.swarm.cleaning import Cleaner


async def cleaner(project: Project, db: UnitOfWork, complain: Callable[[str], None]) -> Cleaner:
    """Raises `NotARepositoryError`, `GitError`."""
    from abathur.bootstrap import actor, open_repository
    from abathur.infrastructure.disk import SystemDisk
    from abathur.infrastructure.spool import FolderSpool
    from abathur.swarm.cleaning import Cleaner

    return Cleaner(
        db=db,
        repository=await open_repository(project.root),
        disk=SystemDisk(project.root, project.folder),
        spool=FolderSpool(project.folder / "spool"),
        actor=actor(),
        complain=complain,
    )
