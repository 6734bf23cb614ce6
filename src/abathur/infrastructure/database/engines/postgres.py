"""The only importer of the PostgreSQL driver: opens connections and turns its errors into ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

import psycopg
from psycopg import errors
from psycopg.abc import PQGen
from psycopg.adapt import Dumper
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import DictRow, dict_row
from psycopg.waiting import Ready, Wait

from abathur.domain.errors import (
    AbathurError,
    DatabaseBusyError,
    DatabaseCorruptError,
    DatabaseError,
    DatabaseFullError,
    DatabaseReadOnlyError,
    DatabaseUnreachableError,
    IntegrityViolation,
    InvalidInputError,
    TablesMissingError,
)

Connection: TypeAlias = psycopg.Connection[DictRow]
Cursor: TypeAlias = psycopg.Cursor[DictRow]
Pipeline: TypeAlias = psycopg.Pipeline
DriverError = psycopg.Error
BadValue = psycopg.DataError
GuardRefused = errors.DivisionByZero
"""What the server says to a change that found no row, see `Statement.guarded`."""

LEAST_VERSION: Final = 150000
CONNECT_TIMEOUT: Final = 10
IDLE_IN_TRANSACTION: Final = "15s"
"""After this the server ends a transaction whose process is frozen, and lets go of its locks."""
STATEMENTS_CACHED: Final = 500
NEVER_BY_ITSELF: Final = 2**31 - 1
"""Statements are prepared when that is asked for. (None would keep that from being, too.)"""

DEFAULTS: Final[dict[str, Any]] = {
    "application_name": "abathur",
    "connect_timeout": CONNECT_TIMEOUT,
    # A host that vanished without a word is noticed within half a minute.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}

# A server or role that acknowledges commits before they are durable is overruled.
SETTINGS: Final = b"""
SELECT set_config('idle_in_transaction_session_timeout', $1, false),
  set_config('lock_timeout', $2, false),
  set_config('abathur.patience', $2, false),
  set_config('default_transaction_isolation', 'read committed', false),
  set_config('default_transaction_read_only', 'off', false),
  set_config('synchronous_commit',
    CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on'
    ELSE current_setting('synchronous_commit') END, false),
  set_config('jit', 'off', false),
  set_config('DateStyle', 'ISO', false),
  current_setting('server_encoding') AS encoding
"""

RESOLVED_BY_RUNNING_AGAIN: Final = (
    errors.SerializationFailure,
    errors.DeadlockDetected,
    errors.UniqueViolation,
    errors.FeatureNotSupported,
    errors.InvalidSqlStatementName,
)
"""Another transaction was faster; or tables have changed since a statement was prepared."""

CONNECTION_ENDED: Final = (
    errors.AdminShutdown,
    errors.CrashShutdown,
    errors.CannotConnectNow,
    errors.IdleInTransactionSessionTimeout,
)
PASSING: Final = ("starting up", "shutting down", "recovery mode", "not yet accepting")
"""Of what a server says that refuses a connection: what is over after a while."""
CROWDED: Final = ("too many", "remaining connection slots")


class CrowdedError(DatabaseUnreachableError):
    """The server has no connection left for us."""


KNOWN: Final[tuple[tuple[tuple[type[psycopg.Error], ...], type[AbathurError], str], ...]] = (
    (
        (errors.UndefinedTable, errors.UndefinedColumn),
        TablesMissingError,
        "{where} isn't a database of this Abathur ({rule}); name another one, or make its tables "
        "by `abathur db migrate`",
    ),
    (
        (errors.LockNotAvailable,),
        DatabaseBusyError,
        "another process holds rows of {where} for too long; end or resume it, then try again",
    ),
    (
        (errors.SerializationFailure, errors.DeadlockDetected),
        DatabaseBusyError,
        "{where} is too busy ({rule}); try again",
    ),
    (
        (errors.DiskFull, errors.OutOfMemory),
        DatabaseFullError,
        "no space is left for {where}, nothing was written; free some, then try again",
    ),
    (
        (errors.ReadOnlySqlTransaction,),
        DatabaseError,
        "{where}: a query may only read; change things in a write",
    ),
    (
        (errors.InsufficientPrivilege,),
        DatabaseReadOnlyError,
        "{where}: {rule}; grant it to this user",
    ),
    (
        (errors.DataCorrupted, errors.IndexCorrupted),
        DatabaseCorruptError,
        "{where} is damaged ({rule}); go back to a backup",
    ),
    (
        (errors.NumericValueOutOfRange,),
        InvalidInputError,
        "a number needs more than 64 bits; use a smaller one",
    ),
    (
        (errors.ProgramLimitExceeded,),
        InvalidInputError,
        "a value is too long ({rule}); use a shorter one",
    ),
)
"""What errors mean for whoever asked: the first that fits."""


class _AsText(Dumper):
    """Leaves the type to the server, which takes that of the column.

    So a statement is prepared once, and not once for each combination of sizes of its numbers.
    """

    oid = 0

    def dump(self, obj: Any) -> bytes:
        return str(obj).encode()


class _Truth(Dumper):
    oid = 0

    def dump(self, obj: Any) -> bytes:
        return b"1" if obj else b"0"


def connect(url: str, where: str, *, wait: float) -> Connection:
    """A connection in autocommit mode. `wait` are the seconds to wait for a lock.

    Raises `DatabaseUnreachableError`, or another `DatabaseError` where trying again is in vain.
    """
    try:
        given = conninfo_to_dict(url)
    except DriverError:
        # Its message may quote the password.
        raise DatabaseError(f"`{where}`: the URL can't be understood; check its syntax") from None
    options = {**DEFAULTS, **given, "client_encoding": "UTF8"}
    try:
        connection = psycopg.connect(
            **options,
            autocommit=True,
            row_factory=dict_row,
            cursor_factory=psycopg.RawCursor,
            prepare_threshold=NEVER_BY_ITSELF,
        )
    except DriverError as error:
        raise _refused(error, where, given.get("password")) from None
    try:
        _set_up(connection, where, wait)
    except BaseException:
        connection.close()
        raise
    return connection


def _set_up(connection: Connection, where: str, wait: float) -> None:
    version = connection.info.server_version
    if version < LEAST_VERSION:
        raise DatabaseError(
            f"`{where}` is PostgreSQL {version // 10_000}; PostgreSQL 15 or newer is needed"
        )
    connection.prepared_max = STATEMENTS_CACHED
    connection.adapters.register_dumper(int, _AsText)
    connection.adapters.register_dumper(float, _AsText)
    connection.adapters.register_dumper(bool, _Truth)
    with translated(where, connection):
        found = connection.execute(SETTINGS, (IDLE_IN_TRANSACTION, milliseconds(wait))).fetchone()
    if found is None or found["encoding"] != "UTF8":
        raise DatabaseError(
            f"`{where}` doesn't store text as UTF-8; create the database with ENCODING 'UTF8'"
        )


def milliseconds(seconds: float) -> str:
    """As a setting; never 0, which would be for ever."""
    return f"{max(1, round(seconds * 1000))}ms"


def _refused(error: psycopg.Error, where: str, password: object) -> DatabaseError:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = "; ".join(dict.fromkeys(lines)) or "no reason was given"
    if password:
        reason = reason.replace(str(password), "***")
    told = f"can't connect to `{where}` ({reason})"
    if any(sign in reason for sign in CROWDED):
        return CrowdedError(f"{told}; end what holds connections, or raise max_connections")
    if "FATAL" not in reason or any(sign in reason for sign in PASSING):
        return DatabaseUnreachableError(f"{told}; check that the server runs there, then try again")
    return DatabaseError(f"{told}; check user, password and database")


def send_all(connection: Connection) -> None:
    """Hand the network all that was queued in a pipeline. Raises `DriverError`.

    The driver stops when the network takes no more for the moment, and would then wait for the
    answer to what the server hasn't got as a whole.
    """
    if connection.pgconn.flush():
        connection.wait(_sent(connection))


def _sent(connection: Connection) -> PQGen[None]:
    while connection.pgconn.flush():
        ready = yield Wait.RW
        if ready & Ready.R:
            # A server whose answers nobody takes stops taking statements.
            connection.pgconn.consume_input()


def is_lost(connection: Connection, error: BaseException | None = None) -> bool:
    """Whether the connection is gone, or will be at once."""
    return connection.closed or isinstance(error, CONNECTION_ENDED)


def lost(where: str, error: Exception) -> DatabaseUnreachableError:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else "no reason was given"
    return DatabaseUnreachableError(
        f"the connection to `{where}` was lost ({reason}); "
        "check that the server runs there, then try again"
    )


@contextmanager
def translated(where: str, connection: Connection) -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise translate(error, where, connection) from error


def translate(error: psycopg.Error, where: str, connection: Connection) -> AbathurError:
    if is_lost(connection, error):
        return lost(where, error)
    rule = error.diag.message_primary or str(error)
    if isinstance(error, psycopg.IntegrityError):
        return IntegrityViolation(f"`{where}` refused a write: {rule}", rule)
    for causes, kind, message in KNOWN:
        if isinstance(error, causes):
            return kind(message.format(where=f"`{where}`", rule=rule))
    return DatabaseError(f"`{where}`: {rule}")
