"""Copies of a database: made under another name, verified, and only then given theirs."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Final

from abathur.domain.errors import DatabaseCorruptError, DatabaseError
from abathur.infrastructure.database.engines.sqlite import (
    Connection,
    CorruptError,
    connect,
    translate,
    translated,
)

KEPT: Final = 3
STAMP: Final = re.compile(r"\.\d{8}T\d{6}(\d{3})?Z\.bak$")


def copy(connection: Connection, target: Path) -> None:
    """A compact copy of the present state. Refuses to overwrite."""
    if target.exists():
        raise DatabaseError(f"`{target}` exists already; name another file or remove it first")
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        with suppress(FileNotFoundError):
            partial.unlink()
        _vacuum_into(connection, partial, target)
        _verify(partial)
        _publish(partial, target)
    except OSError as error:
        raise DatabaseError(f"can't write the copy `{target}`: {error.strerror}") from error
    finally:
        with suppress(OSError):
            partial.unlink()


def _vacuum_into(connection: Connection, partial: Path, target: Path) -> None:
    # Only damage is told of the source: what can't be written is the copy.
    with translated(str(target), connection):
        try:
            connection.execute("VACUUM INTO ?", (str(partial),))
        except CorruptError as error:
            raise translate(error, connection.filename, connection) from error


def dated_copy(connection: Connection, path: Path) -> Path:
    """A copy beside the file; only the newest few are kept."""
    ((stamp,),) = connection.execute("SELECT strftime('%Y%m%dT%H%M%SZ', 'now')").fetchall()
    target = path.with_name(f"{path.name}.{stamp}.bak")
    with suppress(FileNotFoundError):
        # Of a run in this very second that failed later.
        target.unlink()
    copy(connection, target)
    for old in copies(path)[:-KEPT]:
        with suppress(OSError):
            old.unlink()
    return target


def copies(path: Path) -> list[Path]:
    """Dated copies of a database, the newest last."""
    return sorted(
        found
        for found in path.parent.iterdir()
        if found.name.startswith(f"{path.name}.") and STAMP.fullmatch(found.name[len(path.name) :])
    )


def _verify(partial: Path) -> None:
    where = str(partial)
    connection = connect(where, busy_timeout=1, read_only=True)
    try:
        with translated(where, connection):
            ((problem,),) = connection.execute("PRAGMA quick_check(1)").fetchall()
    except DatabaseCorruptError:
        problem = "it can't be read"
    finally:
        connection.close()
    if problem != "ok":
        raise DatabaseCorruptError(
            f"the copy is damaged ({problem}), as the database is, so it was thrown away; "
            "`abathur db check --full` tells more"
        )


def _publish(partial: Path, target: Path) -> None:
    _sync(partial)
    try:
        # Unlike a rename, a link never replaces a file that came into being meanwhile.
        os.link(partial, target)
    except OSError:
        if target.exists():
            raise
        # Not every file system has links.
        partial.rename(target)
    _sync(target.parent)


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
