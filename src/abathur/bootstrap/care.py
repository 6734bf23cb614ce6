"""Care of the database: copies aside, restoring, recovering, moving."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from glob import escape
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from abathur.bootstrap import Project
    from abathur.domain.errors import AbathurError
    from abathur.domain.problems import Problem
    from abathur.ports.moving import Copied, Upgrade
    from abathur.ports.restoring import Prepared, Recovered

NAMED: Final = 40
"""Characters of the name of a database on a server that stand in the names of its copies."""


@contextmanager
def prepared_restore(project: Project, backup: Path) -> Iterator[Prepared]:
    """A verified copy of the backup laid ready. Raises `DatabaseError`, `NotFoundError`."""
    from abathur.infrastructure.database import restoring

    if isinstance(project.database, Path):
        with restoring.prepared(project.file, backup) as found:
            yield found
    else:
        from abathur.infrastructure.database import server_restoring

        with server_restoring.prepared(project.database, backup, kept_as(project)) as found:
            yield found


def restore(project: Project, found: Prepared, now: datetime) -> Path | None:
    """Put it in place; where what was there is kept. Raises `DatabaseError`, `RefusedError`."""
    kept = aside(project, "before-restore", now)
    if isinstance(project.database, Path):
        from abathur.infrastructure.database.restoring import put_in_place

        return put_in_place(found, kept)
    from abathur.infrastructure.database import server_restoring

    return server_restoring.put_in_place(project.database, found, kept)


def recover(source: Path, target: Path) -> Recovered:
    """Write all that can be read of a damaged file into a new one. Raises `DatabaseError`."""
    from abathur.infrastructure.database.recovery.recover import recover as recover_file

    return recover_file(source, target)


def kept_as(project: Project) -> Path:
    """What names of copies begin with: the database's file, or of one on a server a name for it."""
    if isinstance(project.database, Path):
        return project.file
    from abathur.infrastructure.database.opening import name_of

    place = name_of(project.database)
    name = re.sub(r"[^\w-]+", "-", urlsplit(place).path.strip("/")) or "queue"
    return project.folder / f"{name[:NAMED]}.{sha256(place.encode()).hexdigest()[:8]}.db"


def aside(project: Project, why: str, now: datetime) -> Path:
    """A dated name for what the database holds at this moment."""
    begin = kept_as(project)
    return begin.with_name(f"{begin.name}.{now:%Y%m%dT%H%M%S%f}Z.{why}.bak")


def copies_aside(project: Project, why: str) -> Sequence[Path]:
    """Files that `aside` named, the newest last."""
    begin = kept_as(project)
    return sorted(begin.parent.glob(f"{escape(begin.name)}.*Z.{why}.bak"))


def users_of(file: Path) -> Sequence[int]:
    """Ids of other processes that have the file open, as far as the system tells."""
    from abathur.infrastructure.hosts import users_of as find

    return find(file)


def log_problems(project: Project) -> Sequence[Problem]:
    """Commits in the write-ahead log that can't be read. Ask before the database is opened."""
    from abathur.infrastructure.database.engines.sqlite_log import problems

    return problems(project.file) if isinstance(project.database, Path) else []


def was_made(project: Project) -> bool:
    """Whether it is known that the file was there."""
    from abathur.infrastructure.database.engines import sqlite_lock

    return sqlite_lock.was_made(project.file)


def missing(project: Project) -> AbathurError:
    """The error of a file that isn't there: there never was one, or it got lost."""
    from abathur.domain.errors import DatabaseError, NotFoundError
    from abathur.infrastructure.database.engines.sqlite_lock import lost

    if was_made(project):
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
