"""Putting a backup in the place of a database, also of one that can't be read any more."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from abathur.domain.agents import Worker
from abathur.domain.audit import Action
from abathur.domain.errors import (
    DatabaseCorruptError,
    DatabaseError,
    DatabaseTooNewError,
    NotFoundError,
    OlderDatabaseError,
)
from abathur.infrastructure.database import migrate, queries
from abathur.infrastructure.database.engines.sqlite import Connection, connect, translated
from abathur.infrastructure.database.engines.sqlite_inspection import user_tables
from abathur.infrastructure.database.engines.sqlite_lock import taken, turns
from abathur.infrastructure.database.engines.sqlite_swap import replace
from abathur.infrastructure.database.legacy.reading import holds_older
from abathur.infrastructure.database.stores.rows import worker_of
from abathur.ports.restoring import Contents, Difference, Entry, Prepared

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
    if not backup.is_file():
        raise NotFoundError(f"there is no backup `{backup}`; name a file of `abathur db backup`")
    if database.exists() and backup.samefile(database):
        raise DatabaseError(f"`{backup}` is the database itself; name a backup of it")
    _clear(database)
    staged = database.with_name(f".{database.name}.{os.getpid()}{STAGED}")
    try:
        _stage(backup, staged)
        contents = _verified(staged, backup)
        yield _compared(database, staged, contents)
    finally:
        for ending in ("", "-wal", "-shm", "-journal"):
            with suppress(OSError):
                staged.with_name(staged.name + ending).unlink()


def put_in_place(found: Prepared, kept: Path) -> Path | None:
    """Swap the two; where the database that was there is kept, None when there was none."""
    was_there = found.database.exists()
    turn = turns(found.database)
    try:
        with taken(turn, str(found.database), TIMEOUT):
            replace(found.database, found.staged, kept, timeout=TIMEOUT)
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
    return Contents(
        schema_version=_rows(connection, "restore_schema")[0][0],
        tasks=dict(_rows(connection, "restore_counts")),
        last_entry=next(iter(_rows(connection, "restore_last_entry")), None),
    )


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
            difference = Difference(is_descendant=False, entries=0, completed=0, fixes=0)
        except DatabaseError as error:
            unreadable = str(error)
    return Prepared(
        database=database,
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
            contents = _contents(connection, where)
            rows = _rows(connection, "restore_live_workers")
            fields = Worker.__dataclass_fields__
            workers = [worker_of(dict(zip(fields, row, strict=True))) for row in rows]
            return contents, _difference(connection, backup), workers
    finally:
        connection.close()


def _difference(connection: Connection, backup: Contents) -> Difference:
    last = backup.last_entry
    is_descendant = last is None or _rows(connection, "restore_entry", last[0]) == [last]
    since: dict[str, int] = dict(_rows(connection, "restore_entries_since", last[0] if last else 0))
    return Difference(
        is_descendant=is_descendant,
        entries=sum(since.values()),
        completed=since.get(Action.TASK_COMPLETED, 0),
        fixes=since.get(Action.TASK_FIXED, 0) + since.get(Action.ROW_FIXED, 0),
    )


def _rows(connection: Connection, name: str, *params: object) -> list[Entry]:
    return connection.execute(queries.load("sqlite")[name], params).fetchall()
