"""Puts another complete file in the place of a database, and keeps the one that was there.

A kill at any point leaves one of the two under the name. A note beside the file says what goes
on; `settle` undoes what it finds begun, or finishes what only lacked its end. Whoever calls has
the turn (`sqlite_lock`), and no connection of its own to the file.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Final, TypeAlias

from abathur.domain.errors import (
    DatabaseBusyError,
    DatabaseCorruptError,
    DatabaseError,
    DatabaseFullError,
)
from abathur.infrastructure.database.engines.disk import copy, link_or_copy, sync, sync_folder
from abathur.infrastructure.database.engines.sqlite import (
    NO_SPACE,
    Connection,
    busy,
    checkpoint_on_close,
    connect,
    full,
    read_only,
    translated,
)

LOGS: Final = ("-wal", "-journal")
"""What SQLite keeps beside a file and can hold commits, or the way back from half a one."""
Identity: TypeAlias = tuple[int, int]
"""Device and inode."""
POLL: Final = 0.02
"""Seconds between two attempts; SQLite offers no waiting for the last other user of a file."""


def replace(
    path: Path, replacement: Path, kept: Path, *, timeout: float, alone: bool = False
) -> None:
    """Afterwards `replacement` is at `path`, and what was there is at `kept`, readable by itself.

    All three are in one folder. The replacement is complete, checked and closed. Processes that
    have the old file open keep it; `alone` refuses while there is any. Raises
    `DatabaseBusyError` when somebody doesn't let go in `timeout` seconds, `DatabaseError` when
    the folder can't be written or `kept` is taken; then nothing is changed.
    """
    settle(path)
    if path.exists():
        with held(path, timeout, alone=alone) as connection:
            exchange(path, replacement, kept, connection)
        return
    _refuse_unfit(replacement, kept)
    with _failures(path):
        _ready(replacement)
        _set_aside_logs(path, kept)
        replacement.replace(path)
        sync_folder(path)


def exchange(path: Path, replacement: Path, kept: Path, connection: Connection | None) -> None:
    """As `replace`, while the file is `held`; the connection is good for nothing afterwards."""
    _refuse_unfit(replacement, kept)
    with _failures(path):
        _ready(replacement)
        _exchange(path, replacement, kept, connection)


def identity(path: Path) -> Identity | None:
    """Tells the file at the path from any that was or will be there; None when there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def is_unsettled(path: Path) -> bool:
    return _note_file(path).exists()


def settle(path: Path) -> None:
    """Bring a replacement that was broken off to one of its two ends. Any number of times."""
    note = _note_file(path)
    if not note.exists():
        return
    with _failures(path):
        with suppress(ValueError, KeyError):
            _Note.read(note).settle(path)
        note.unlink(missing_ok=True)
        sync_folder(path)


@dataclass(frozen=True, slots=True)
class _Note:
    """What a replacement that is under way needs for its end."""

    replacement: str
    kept: str

    @classmethod
    def read(cls, file: Path) -> _Note:
        found = json.loads(file.read_text(encoding="utf-8"))
        return cls(Path(found["replacement"]).name, Path(found["kept"]).name)

    def write(self, path: Path) -> None:
        partial = path.with_name(f".{path.name}.swap.partial")
        partial.write_text(
            json.dumps({"replacement": self.replacement, "kept": self.kept}), encoding="utf-8"
        )
        sync(partial)
        partial.replace(_note_file(path))
        sync_folder(path)

    def settle(self, path: Path) -> None:
        replacement, kept = path.with_name(self.replacement), path.with_name(self.kept)
        if not replacement.exists():
            # It is in its place.
            return
        for log in LOGS:
            beside, aside = _with(path, log), _with(kept, log)
            if aside.exists() and not beside.exists():
                link_or_copy(aside, beside)
        sync_folder(path)
        for file in (*(_with(kept, log) for log in LOGS), kept, replacement):
            file.unlink(missing_ok=True)


def _refuse_unfit(replacement: Path, kept: Path) -> None:
    if kept.exists():
        raise DatabaseError(f"`{kept}` exists already; move it away, then try again")
    for log in LOGS:
        beside = _with(replacement, log)
        if beside.exists() and beside.stat().st_size:
            raise DatabaseError(f"`{replacement}` isn't closed: `{beside}` still holds commits")
        beside.unlink(missing_ok=True)
    _with(replacement, "-shm").unlink(missing_ok=True)


def _ready(replacement: Path) -> None:
    """Put it into the log's mode, and on the disk.

    Doing that later needs a rollback journal, which whoever still has the old file open would
    take for its own and undo.
    """
    connection = connect(str(replacement), busy_timeout=0)
    try:
        with translated(str(replacement), connection):
            connection.pragma("journal_mode", "wal")
            checkpoint_on_close(connection)
    finally:
        connection.close()
    sync(replacement)


def _exchange(path: Path, replacement: Path, kept: Path, connection: Connection | None) -> None:
    # Who may read it stays as it was.
    replacement.chmod(stat.S_IMODE(path.stat().st_mode) | stat.S_IWUSR)
    _Note(replacement.name, kept.name).write(path)
    try:
        for log in LOGS:
            beside = _with(path, log)
            if beside.exists() and beside.stat().st_size:
                link_or_copy(beside, _with(kept, log))
        _keep(path, kept, connection)
        sync_folder(path)
        # A log that stayed would be taken for the replacement's.
        for ending in (*LOGS, "-shm"):
            _with(path, ending).unlink(missing_ok=True)
        replacement.replace(path)
    except BaseException:
        settle(path)
        raise
    sync_folder(path)
    _note_file(path).unlink()
    sync_folder(path)


def _keep(path: Path, kept: Path, connection: Connection | None) -> None:
    try:
        os.link(path, kept)
    except FileExistsError:
        raise
    except OSError:
        # Not every file system has links.
        if connection is None:
            copy(path, kept)
        else:
            _copy_open(connection, kept)


def _copy_open(connection: Connection, kept: Path) -> None:
    # Reading an open database by any other way than SQLite's would end its locks, and SQLite's
    # copying refuses a source in a transaction.
    if connection.pragma("journal_mode") == "delete":
        connection.pragma("locking_mode", "exclusive")
    connection.execute("COMMIT")
    target = connect(str(kept), busy_timeout=0)
    try:
        with target.backup("main", connection, "main") as copying:
            while not copying.done:
                copying.step(1000)
    finally:
        target.close()
    sync(kept)


def _set_aside_logs(path: Path, kept: Path) -> None:
    for log in LOGS:
        with suppress(FileNotFoundError):
            _with(path, log).rename(_with(kept, log))
    _with(path, "-shm").unlink(missing_ok=True)


@contextmanager
def held(path: Path, timeout: float, *, alone: bool) -> Iterator[Connection | None]:
    """While this lasts, nobody writes to the file; with `alone` nobody reads it either.

    The connection is in a transaction. None when the file is too damaged to be opened.
    """
    try:
        connection = connect(str(path), busy_timeout=timeout)
    except DatabaseCorruptError:
        yield None
        return
    try:
        yield connection if _excluded(connection, str(path), timeout, alone) else None
    finally:
        connection.close()


def _excluded(connection: Connection, where: str, timeout: float, alone: bool) -> bool:
    try:
        with translated(where, connection):
            _refuse_read_only(connection, where)
            held = _exclude_all(connection, where, timeout if alone else 0)
        if alone and not held:
            raise busy(where)
        if not held:
            _exclude_writers(connection, where)
    except DatabaseCorruptError:
        return False
    return True


def _refuse_read_only(connection: Connection, where: str) -> None:
    """Who can't write a file can't lock others out of it either."""
    # The file is opened by the first statement.
    connection.execute("SELECT 1 FROM sqlite_schema").fetchall()
    if connection.readonly("main"):
        raise read_only(where, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))


def _exclude_all(connection: Connection, where: str, timeout: float) -> bool:
    """Fold the log into the file and lock out everybody; False when others have it open."""
    end = monotonic() + timeout
    while True:
        if _closed_to_others(connection, where):
            return True
        if monotonic() >= end:
            return False
        Event().wait(POLL)


def _closed_to_others(connection: Connection, where: str) -> bool:
    try:
        # Leaving the log's mode needs the file for itself alone.
        with translated(where, connection):
            connection.pragma("journal_mode", "delete")
            connection.execute("BEGIN EXCLUSIVE")
            if connection.pragma("journal_mode") == "delete":
                return True
            connection.execute("ROLLBACK")
    except DatabaseBusyError:
        pass
    return False


def _exclude_writers(connection: Connection, where: str) -> None:
    with suppress(DatabaseBusyError), translated(where, connection):
        # Else the log goes along with the kept file.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    with translated(where, connection):
        connection.execute("BEGIN IMMEDIATE")


@contextmanager
def _failures(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in NO_SPACE:
            raise DatabaseFullError(str(full(str(path)))) from error
        raise DatabaseError(
            f"can't replace `{path}` ({error.strerror}); check the folder's permissions"
        ) from error


def _note_file(path: Path) -> Path:
    return _with(path, ".swap")


def _with(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)
