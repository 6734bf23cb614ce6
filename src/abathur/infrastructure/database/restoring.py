"""Putting a backup in the place of a database, also of one that can't be read any more."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from abathur.domain.agents import Worker
from abathur.domain.errors import (
    DatabaseCorruptError,
    DatabaseError,
    DatabaseTooNewError,
    NotFoundError,
    OlderDatabaseError,
)
from abathur.infrastructure.database import migrate
from abathur.infrastructure.database.contents import (
    contents_of,
    difference_of,
    live_workers_of,
)
from abathur.infrastructure.database.engines.sqlite import Connection, connect, translated
from abathur.infrastructure.database.engines.sqlite_bulk import SqliteRows
from abathur.infrastructure.database.engines.sqlite_inspection import user_tables
from abathur.infrastructure.database.engines.sqlite_lock import taken, turns
from abathur.infrastructure.database.engines.sqlite_swap import replace
from abathur.infrastructure.database.legacy.reading import holds_older
from abathur.ports.restoring import Contents, Difference, Prepared

TIMEOUT: Final = 30.0
STAGED: Final = ".restoring"


@contextmanager
def prepared(database: Path, backup: Path) -> Iterator[Prepared]:
    """Verify the backup and lay a copy ready; it is removed at the end if nobody used it.

    The backup itself is only read. Raises `NotFoundError`, `DatabaseCorruptError`,
    `DatabaseTooNewError`, `OlderDatabaseError`.
    """
    # A link stays a link: everybody else takes turns beside the file that it leads to.
    database = database.resolve()
    if database.exists() and backup.exists() and backup.samefile(database):
        raise DatabaseError(f"`{backup}` is the database itself; name a backup of it")
    with staged_copy(database, backup) as (staged, contents):
        yield _compared(database, staged, contents)


@contextmanager
def staged_copy(database: Path, backup: Path) -> Iterator[tuple[Path, Contents]]:
    """A verified copy of the backup beside where `database` is, and what it holds.

    It is removed at the end if nobody used it. Raises as `prepared` does.
    """
    if not backup.is_file():
        raise NotFoundError(f"there is no backup `{backup}`; name a file of `abathur db backup`")
    _clear(database)
    staged = database.with_name(f".{database.name}.{os.getpid()}{STAGED}")
    try:
        _stage(backup, staged)
        yield staged, _verified(staged, backup)
    finally:
        for ending in ("", "-wal", "-shm", "-journal"):
            with suppress(OSError):
                staged.with_name(staged.name + ending).unlink()


def put_in_place(found: Prepared, kept: Path) -> Path | None:
    """Swap the two; where the database that was there is kept, None when there was none."""
    database = Path(found.where)
    was_there = database.exists()
    turn = turns(database)
    try:
        with taken(turn, found.where, TIMEOUT):
            replace(database, found.staged, kept, timeout=TIMEOUT)
    finally:
        turn.close()
    return kept if was_there else None


def _clear(database: Path) -> None:
    """Remove the copies of restores that were killed."""
    for left in database.parent.glob(f".{database.name}.*{STAGED}*"):
        process = left.name.removeprefix(f".{database.name}.").partition(".")[0]
        if process.isdecimal() and not _lives(int(process)):
            with suppress(OSError):
                left.unlink()


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def _stage(backup: Path, staged: Path) -> None:
    try:
        shutil.copyfile(backup, staged)
        log = backup.with_name(f"{backup.name}-wal")
        if log.is_file():
            # Of a file that was copied by hand, or kept by an earlier restore.
            shutil.copyfile(log, staged.with_name(f"{staged.name}-wal"))
    except OSError as error:
        raise DatabaseError(f"can't copy `{backup}`: {error.strerror}") from error


def _verified(staged: Path, backup: Path) -> Contents:
    where = str(backup)
    connection = connect(str(staged), busy_timeout=1)
    try:
        with translated(where, connection):
            problems = connection.execute("PRAGMA integrity_check(1)").fetchall()
            if problems != [("ok",)]:
                raise DatabaseCorruptError(
                    f"the backup `{where}` is damaged ({problems[0][0]}); name another one, "
                    "or recover what is left of it with `abathur db recover`"
                )
            contents = _contents(connection, where)
            # One file, without a log beside it.
            connection.execute("PRAGMA journal_mode = DELETE").fetchall()
    finally:
        connection.close()
    _refuse_newer(contents, where)
    return contents


def _refuse_newer(contents: Contents, where: str) -> None:
    known = len(migrate.load("sqlite"))
    if contents.schema_version > known:
        raise DatabaseTooNewError(
            f"the backup `{where}` has schema {contents.schema_version}, this Abathur knows "
            f"{known}; update Abathur first"
        )


def _contents(connection: Connection, where: str) -> Contents:
    if holds_older(connection):
        raise OlderDatabaseError(
            f"`{where}` is of an older Abathur; restore a copy of it that "
            "`abathur --db COPY task list` has converted"
        )
    if not {"schema_migrations", "tasks", "audit"}.issubset(user_tables(connection)):
        raise DatabaseCorruptError(f"`{where}` is no database of this Abathur; name another file")
    return contents_of(SqliteRows(connection, where))


def _compared(database: Path, staged: Path, backup: Contents) -> Prepared:
    present: Contents | None = None
    difference: Difference | None = None
    unreadable: str | None = None
    workers: Sequence[Worker] = ()
    if database.exists():
        try:
            present, difference, workers = _look(database, backup)
        except OlderDatabaseError:
            unreadable = f"`{database}` is of an older Abathur"
            difference = Difference(
                is_descendant=False, entries=0, completed=0, fixes=0, sessions=0
            )
        except DatabaseError as error:
            unreadable = str(error)
    return Prepared(
        where=str(database),
        staged=staged,
        backup=backup,
        present=present,
        unreadable=unreadable,
        difference=difference,
        workers=workers,
    )


def _look(database: Path, backup: Contents) -> tuple[Contents, Difference, Sequence[Worker]]:
    where = str(database)
    connection = connect(where, busy_timeout=TIMEOUT, read_only=True)
    try:
        with translated(where, connection):
            contents, rows = _contents(connection, where), SqliteRows(connection, where)
            return contents, difference_of(rows, backup), live_workers_of(rows)
    finally:
        connection.close()
