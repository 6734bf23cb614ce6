"""The only importer of the SQLite driver: opens connections and turns its errors into ours.

Two SQLite libraries in one process would break each other's file locks, so nothing else may open
a database.
"""

from __future__ import annotations

import errno
import re
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import apsw

from abathur.domain.errors import (
    DatabaseBusyError,
    DatabaseCorruptError,
    DatabaseError,
    DatabaseFullError,
    DatabaseReadOnlyError,
    IntegrityViolation,
    TablesMissingError,
)
from abathur.infrastructure.database.engines.sqlite_functions import AuditChain, audit_hash

Connection = apsw.Connection
Cursor = apsw.Cursor
DriverError: Final = apsw.Error
StatementError: Final = apsw.SQLError
"""A statement that can't be run: it is wrong, or a table or a module isn't there."""
CorruptError: Final = apsw.CorruptError
FullError: Final = apsw.FullError
NoMoreRows: Final = apsw.ExecutionCompleteError
VERSION: Final = apsw.sqlite_lib_version()

MEMORY: Final = ":memory:"
STATEMENTS_CACHED: Final = 256
CACHE_KIB: Final = 8 * 1024
WAL_LIMIT: Final = 16 * 1024 * 1024
"""To what size a write-ahead log is cut back that a long reader made grow."""

# Checkpoints happen under the lock only, see `sqlite_commit`.
PRAGMAS: Final = f"""
PRAGMA foreign_keys = ON;
PRAGMA synchronous = FULL;
PRAGMA temp_store = MEMORY;
PRAGMA cache_size = -{CACHE_KIB};
PRAGMA journal_size_limit = {WAL_LIMIT};
PRAGMA wal_autocheckpoint = 0;
"""
SWITCHES: Final = (
    (apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0),
    (apsw.SQLITE_DBCONFIG_DEFENSIVE, 1),
    (apsw.SQLITE_DBCONFIG_DQS_DDL, 0),
    (apsw.SQLITE_DBCONFIG_DQS_DML, 0),
    (apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1),
    # Else a statement that was planned with a look at a bound value (`LIMIT :limit`) is prepared
    # anew for each value: that makes a claim four times as dear.
    (apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1),
)
MISSING: Final = re.compile(r"no such (?:table|column): (?:main\.)?(\S+)")
NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def connect(
    where: str, *, busy_timeout: float, read_only: bool = False, immutable: bool = False
) -> Connection:
    """A connection with everything set that isn't stored in the file.

    Opening is lazy: a file that isn't a database is noticed by the first statement. One that is
    `immutable` is read as if nobody could change it: without locks and without its log.
    """
    access = (
        apsw.SQLITE_OPEN_READONLY
        if read_only or immutable
        else apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    )
    name = where
    if immutable:
        access |= apsw.SQLITE_OPEN_URI
        name = f"{Path(where).as_uri()}?immutable=1"
    with translated(where):
        connection = apsw.Connection(name, access, statementcachesize=STATEMENTS_CACHED)
        connection.set_busy_timeout(int(busy_timeout * 1000))
        for switch, value in SWITCHES:
            connection.config(switch, value)
        # To the end: the driver pauses after the first row, and some of these return one.
        connection.execute(PRAGMAS).fetchall()
        if not read_only:
            connection.create_scalar_function("audit_hash", audit_hash, 8)
            connection.create_window_function("audit_chain", AuditChain, 11)
    return connection


def checkpoint_on_close(connection: Connection) -> None:
    """Let the last connection empty and remove the write-ahead log."""
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)


def has_moved(connection: Connection) -> bool:
    """Whether the file that was opened no longer goes by its name."""
    answer = array("i", [0])
    connection.file_control("main", apsw.SQLITE_FCNTL_HAS_MOVED, answer.buffer_info()[0])
    return bool(answer[0])


def passive_checkpoint(connection: Connection) -> bool:
    """Copy what can be copied without waiting for anyone; whether that was all."""
    frames, copied = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
    return frames == copied


def is_complete(sql: str) -> bool:
    return apsw.complete(sql)


@contextmanager
def translated(where: str, connection: Connection | None = None) -> Iterator[None]:
    try:
        yield
    except apsw.Error as error:
        raise translate(error, where, connection) from error


def translate(error: apsw.Error, where: str, connection: Connection | None = None) -> DatabaseError:
    match error:
        case apsw.ConstraintError():
            rule = str(error)
            return IntegrityViolation(f"`{where}` refused a write: {rule}", rule)
        case apsw.BusyError() | apsw.LockedError():
            return busy(where)
        case apsw.FullError():
            return full(where)
        case apsw.NotADBError():
            return DatabaseCorruptError(
                f"`{where}` isn't a SQLite database; move it away, or name another file with --db"
            )
        case apsw.CorruptError():
            return DatabaseCorruptError(
                f"`{where}` is damaged ({error}); `abathur db restore` puts a backup in its place, "
                "`abathur db recover` saves what can be read"
            )
        case apsw.ReadOnlyError() | apsw.PermissionsError() | apsw.CantOpenError():
            return cant_write(where, error, connection)
        case apsw.IOError():
            return io_failure(where, error, connection)
    return other_failure(where, error)


def missing_name(error: apsw.Error) -> str | None:
    """The table or column that isn't there, if that is what the error says."""
    missing = MISSING.match(str(error))
    return missing[1] if missing else None


def other_failure(where: str, error: apsw.Error) -> DatabaseError:
    if missing := missing_name(error):
        return TablesMissingError(
            f"`{where}` lacks `{missing}`: its tables were removed, or another file was put in "
            "its place; put a backup there"
        )
    return DatabaseError(f"`{where}`: {error}")


def busy(where: str) -> DatabaseBusyError:
    return DatabaseBusyError(
        f"another process holds `{where}` for too long; end or resume it, then try again"
    )


def full(where: str) -> DatabaseFullError:
    return DatabaseFullError(
        f"no space is left for `{where}`, nothing was written; free some, then try again"
    )


def read_only(where: str, error: Exception) -> DatabaseReadOnlyError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else error
    return DatabaseReadOnlyError(
        f"`{where}` or its folder can't be written ({reason}); check their owner and permissions"
    )


def cant_write(where: str, error: Exception, connection: Connection | None) -> DatabaseError:
    if connection is not None and connection.pragma("query_only"):
        return DatabaseError(f"`{where}`: a query may only read; change things in a write")
    if Path(where).is_dir():
        return DatabaseError(f"`{where}` is a folder; name a file")
    return read_only(where, error)


def io_failure(where: str, error: Exception, connection: Connection | None) -> DatabaseError:
    # A file size limit or quota isn't SQLITE_FULL to SQLite; only the system's number tells.
    number = 0 if connection is None else connection.system_errno
    # Where it is the memory shared by readers that can't grow, there is no room even for opening.
    if number in NO_SPACE or getattr(error, "extendedresult", 0) == apsw.SQLITE_IOERR_SHMSIZE:
        return full(where)
    reason = f"{error}: {errno.errorcode[number]}" if number in errno.errorcode else str(error)
    return DatabaseError(
        f"`{where}` can't be read or written ({reason}); check the disk, then try again"
    )
