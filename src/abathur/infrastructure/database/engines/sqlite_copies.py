"""Copies of a database: made under another name, verified, and only then given theirs."""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from abathur.domain.errors import DatabaseCorruptError, DatabaseError
from abathur.infrastructure.database.engines.disk import publish
from abathur.infrastructure.database.engines.sqlite import (
    Connection,
    CorruptError,
    connect,
    translate,
    translated,
)

KEPT: Final = 3
STAMP: Final = r"\d{8}T\d{6}(?:\d{3})?Z"
HEADER: Final = b"SQLite format 3\0"


def copy(connection: Connection, target: Path) -> None:
    """A compact copy of the present state. Refuses to overwrite."""
    if target.exists():
        raise _taken(target)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        with suppress(FileNotFoundError):
            partial.unlink()
        _vacuum_into(connection, partial, target)
        _verify(partial)
        publish(partial, target)
    except FileExistsError as error:
        raise _taken(target) from error
    except OSError as error:
        raise DatabaseError(f"can't write the copy `{target}`: {error.strerror}") from error
    finally:
        with suppress(OSError):
            partial.unlink()


def _taken(target: Path) -> DatabaseError:
    return DatabaseError(f"`{target}` exists already; name another file or remove it first")


def _vacuum_into(connection: Connection, partial: Path, target: Path) -> None:
    # Only damage is told of the source: what can't be written is the copy.
    with translated(str(target), connection):
        try:
            connection.execute("VACUUM INTO ?", (str(partial),))
        except CorruptError as error:
            raise translate(error, connection.filename, connection) from error


def dated_copy(connection: Connection, path: Path, label: str = "") -> Path:
    """A copy beside the file whose name tells the time. Older ones stay, see `prune`."""
    stamp: Any = connection.execute("SELECT strftime('%Y%m%dT%H%M%SZ', 'now')").get
    parts = [path.name, label, stamp, "bak"] if label else [path.name, stamp, "bak"]
    target = path.with_name(".".join(parts))
    with suppress(FileNotFoundError):
        # Of a run in this very second that failed later.
        target.unlink()
    copy(connection, target)
    return target


def prune(path: Path, label: str = "") -> None:
    """Of the dated copies with such a label, keep the newest few."""
    for old in copies(path, label)[:-KEPT]:
        with suppress(OSError):
            old.unlink()


def copies(path: Path, label: str = "") -> list[Path]:
    """Dated copies of a database, the newest last; `label` is a pattern.

    A file of such a name that isn't a database is somebody else's.
    """
    pattern = re.compile(_pattern(path, label))
    found = [
        (match[1], file)
        for file in path.parent.iterdir()
        if (match := pattern.fullmatch(file.name)) and _is_database(file)
    ]
    return [file for _, file in sorted(found)]


def sweep(path: Path, label: str = "") -> None:
    """Remove what dated copies that were killed left behind. Nobody else may be making one."""
    pattern = re.compile(rf"\.{_pattern(path, label)}\.\d+\.partial(?:-journal)?")
    for file in path.parent.iterdir():
        if pattern.fullmatch(file.name):
            with suppress(OSError):
                file.unlink()


def _pattern(path: Path, label: str) -> str:
    labelled = rf"(?:{label})\." if label else ""
    return rf"{re.escape(path.name)}\.{labelled}({STAMP})\.bak"


def _is_database(file: Path) -> bool:
    try:
        if not stat.S_ISREG(file.lstat().st_mode):
            return False
        with file.open("rb") as content:
            return content.read(len(HEADER)) == HEADER
    except OSError:
        return False


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
