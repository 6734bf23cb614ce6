"""Care of the database's file: copies aside, restoring, recovering, moving."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from abathur.bootstrap import Project
    from abathur.domain.errors import AbathurError
    from abathur.domain.problems import Problem
    from abathur.ports.moving import Copied, Upgrade
    from abathur.ports.restoring import Prepared, Recovered


@contextmanager
def prepared_restore(project: Project, backup: Path) -> Iterator[Prepared]:
    """A verified copy of the backup beside the database. Raises `DatabaseError`, `NotFoundError`"""
    from abathur.infrastructure.database.restoring import prepared

    with prepared(project.file, backup) as found:
        yield found


def restore(found: Prepared, now: datetime) -> Path | None:
    """Put it in place; where the database that was there is kept. Raises `DatabaseError`."""
    from abathur.infrastructure.database.restoring import put_in_place

    return put_in_place(found, aside(found.database, "before-restore", now))


def recover(source: Path, target: Path) -> Recovered:
    """Write all that can be read of a damaged file into a new one. Raises `DatabaseError`."""
    from abathur.infrastructure.database.recovery.recover import recover as recover_file

    return recover_file(source, target)


def aside(database: Path, why: str, now: datetime) -> Path:
    """A dated name beside the database for what it holds at this moment."""
    return database.with_name(f"{database.name}.{now:%Y%m%dT%H%M%S%f}Z.{why}.bak")


def copies_aside(database: Path, why: str) -> Sequence[Path]:
    """Files that `aside` named, the newest last."""
    return sorted(database.parent.glob(f"{database.name}.*Z.{why}.bak"))


def users_of(file: Path) -> Sequence[int]:
    """Ids of other processes that have the file open, as far as the system tells."""
    from abathur.infrastructure.hosts import users_of as find

    return find(file)


def log_problems(project: Project) -> Sequence[Problem]:
    """Commits in the write-ahead log that can't be read. Ask before the database is opened."""
    from abathur.infrastructure.database.engines.sqlite_log import problems

    return problems(project.file) if isinstance(project.database, Path) else []


def missing(project: Project) -> AbathurError:
    """The error of a file that isn't there: there never was one, or it got lost."""
    from abathur.domain.errors import DatabaseError, NotFoundError
    from abathur.infrastructure.database.engines.sqlite_lock import lost, was_made

    if was_made(project.file):
        return DatabaseError(lost(project.file))
    return NotFoundError(
        f"there is no database {project.file}; `abathur init` makes one, and `abathur db restore "
        "BACKUP` puts a backup there"
    )


async def planned_upgrade(project: Project) -> Upgrade:
    """What opening the database would do to its tables. No file is made or changed."""
    from abathur.infrastructure.database import Database

    return await Database(project.database).planned_upgrade()


def copy_database(source: str, target: str, now: datetime) -> Copied:
    """Everything from one database into another, given by their places; blocks.

    Raises `SwarmError` while a swarm works on the source, `InvalidInputError` when the target has
    rows, and what the databases raise; then the target is as it was.
    """
    from abathur.infrastructure.database.copying import bulk, copy
    from abathur.infrastructure.hosts import is_alive

    return copy(bulk(source), bulk(target), is_alive, now)
