"""From a file of an older version to one of today's: a copy, checked, in its place.

The older file is read under a lock that keeps everybody else out, and stays as it is until the
copy is complete and verified. A kill leaves it, with a hidden file that the next conversion
removes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from abathur.domain.errors import DatabaseCorruptError, DatabaseFullError, MigrationError
from abathur.infrastructure.database import migrate, queries
from abathur.infrastructure.database.engines import sqlite_swap
from abathur.infrastructure.database.engines.sqlite import (
    Connection,
    CorruptError,
    DriverError,
    connect,
    translated,
)
from abathur.infrastructure.database.engines.sqlite_lock import Alone
from abathur.infrastructure.database.engines.sqlite_schema import SqliteSchema
from abathur.infrastructure.database.engines.sqlite_session import SqliteSession
from abathur.infrastructure.database.legacy.ledger import Ledger
from abathur.infrastructure.database.legacy.reading import Source, holds_older
from abathur.infrastructure.database.legacy.report import ENDING, Conversion
from abathur.infrastructure.database.legacy.verify import verify
from abathur.infrastructure.database.legacy.writing import Writing
from abathur.infrastructure.database.stores import open_stores
from abathur.ports.notices import notices

ENGINE: Final = "sqlite"
ORIGINAL: Final = ".older"
PARTIAL: Final = ".converting"


def convert(path: Path, timeout: float) -> Conversion | None:
    """Convert the file if it is an older one; None if it is of today, or isn't there.

    The caller has the turn and no connection to the file. Raises `DatabaseBusyError` when
    another program has it open for `timeout` seconds, `DatabaseCorruptError`, `MigrationError`
    and other `DatabaseError`s; then nothing is changed.
    """
    sqlite_swap.settle(path)
    _clear(path)
    if not path.exists() or not _is_older(path):
        return None
    partial = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL}")
    try:
        with sqlite_swap.held(path, timeout, alone=True) as connection:
            if connection is None:
                raise _damaged(path, "it can't be opened")
            with _given_back(connection):
                conversion = _build(connection, path, partial)
                _exchange(connection, conversion, partial)
    finally:
        _remove(partial)
    for line in conversion.lines:
        notices.warning("%s", line)
    return conversion


def _exchange(connection: Connection, conversion: Conversion, partial: Path) -> None:
    conversion.write()
    try:
        sqlite_swap.exchange(conversion.database, partial, conversion.original, connection)
    except BaseException:
        _remove(conversion.report)
        raise


@contextmanager
def _given_back(connection: Connection) -> Iterator[None]:
    """Leave the file as other programs want it when it isn't converted after all."""
    try:
        yield
    except BaseException:
        with suppress(DriverError):
            connection.execute("ROLLBACK")
            connection.pragma("journal_mode", "wal")
        raise


def _is_older(path: Path) -> bool:
    connection = connect(str(path), busy_timeout=0)
    try:
        with translated(str(path), connection):
            return holds_older(connection)
    finally:
        connection.close()


def _build(connection: Connection, path: Path, partial: Path) -> Conversion:
    with translated(str(path), connection):
        try:
            return _built(connection, path, partial)
        except CorruptError as error:
            raise _damaged(path, error) from error
        except DatabaseFullError as error:
            raise DatabaseFullError(
                f"`{path}` is of an older Abathur, and no space is left for a converted copy "
                "beside it; nothing was changed: free some, then try again"
            ) from error


def _damaged(path: Path, reason: object) -> DatabaseCorruptError:
    return DatabaseCorruptError(
        f"`{path}` is of an older Abathur and damaged ({reason}), so it wasn't converted; "
        "`abathur db recover` saves what can be read"
    )


def _built(connection: Connection, path: Path, partial: Path) -> Conversion:
    times: Any = connection.execute(
        "SELECT strftime('%Y%m%dT%H%M%SZ', 'now'), strftime('%Y-%m-%dT%H:%M:%f000+00:00', 'now')"
    ).fetchall()
    ((stamp, at),) = times
    source = Source(connection)
    statements = queries.load(ENGINE)
    with _fresh(partial) as target, translated(str(partial), target):
        ledger = _write(source, target, statements, datetime.fromisoformat(at))
    with _reopened(partial) as target, translated(str(partial), target):
        verify(source, target, ledger, statements)
    return Conversion(
        database=path,
        original=_free_name(path, stamp),
        at=at,
        tables=ledger.tables,
        unreadable=source.unreadable,
        schema=source.schema(),
    )


def _write(
    source: Source, target: Connection, statements: Mapping[str, str], now: datetime
) -> Ledger:
    where = "the converted copy"
    migrate.upgrade(SqliteSchema(target, None, where, Alone(), 0), migrate.load(ENGINE))
    # Rows come in any order; the verification looks at all keys.
    target.pragma("foreign_keys", False)
    session = SqliteSession(target, statements, where)
    target.execute("BEGIN")
    ledger = Writing(source, session, open_stores(session), now).run()
    session.write_put_off()
    target.execute("COMMIT")
    return ledger


@contextmanager
def _fresh(partial: Path) -> Iterator[Connection]:
    _remove(partial)
    connection = connect(str(partial), busy_timeout=0)
    try:
        # A kill leaves nothing that anybody would look at; the whole is synced before it counts.
        connection.pragma("journal_mode", "memory")
        connection.pragma("synchronous", "off")
        yield connection
    finally:
        connection.close()


@contextmanager
def _reopened(partial: Path) -> Iterator[Connection]:
    connection = connect(str(partial), busy_timeout=0, read_only=True)
    try:
        yield connection
    finally:
        connection.close()


def _free_name(path: Path, stamp: str) -> Path:
    for number in range(1, 1000):
        again = f"-{number}" if number > 1 else ""
        name = path.with_name(f"{path.name}.{stamp}{again}{ORIGINAL}")
        if not name.exists() and not name.with_suffix(ENDING).exists():
            return name
    raise MigrationError(f"the folder of `{path}` is full of converted files; clear it")


def _clear(path: Path) -> None:
    """Remove what conversions left that were killed."""
    for partial in path.parent.glob(f".{path.name}.*{PARTIAL}*"):
        _remove(partial)
    for report in path.parent.glob(f"{path.name}.*{ENDING}"):
        original = report.with_name(report.name.removesuffix(ENDING) + ORIGINAL)
        if not original.exists():
            _remove(report)


def _remove(file: Path) -> None:
    with suppress(OSError):
        file.unlink()
