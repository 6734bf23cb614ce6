"""Putting a backup, which is a file, in the place of all rows of a database on a server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from abathur.domain.errors import RefusedError
from abathur.infrastructure.database import migrate
from abathur.infrastructure.database.contents import (
    contents_of,
    difference_of,
    live_workers_of,
)
from abathur.infrastructure.database.engines.bulk import Replacing, Rows, Table
from abathur.infrastructure.database.engines.sqlite import connect
from abathur.infrastructure.database.engines.sqlite_bulk import SqliteBulk, SqliteRows
from abathur.infrastructure.database.engines.sqlite_lock import Alone
from abathur.infrastructure.database.engines.sqlite_schema import SqliteSchema
from abathur.infrastructure.database.opening import driver_needed
from abathur.infrastructure.database.restoring import TIMEOUT, staged_copy
from abathur.infrastructure.database.transfer import (
    matched,
    refuse_other_schema,
    save,
    transfer,
)
from abathur.ports.restoring import Contents, Prepared


@contextmanager
def prepared(url: str, backup: Path, beside: Path) -> Iterator[Prepared]:
    """Verify the backup and lay a copy ready beside `beside`, in the schema of today.

    The backup itself and the server are only read. Raises as that for files does, and what the
    server raises.
    """
    with driver_needed():
        from abathur.infrastructure.database.engines.postgres_bulk import PostgresBulk
    with staged_copy(beside, backup) as (staged, contents):
        _bring_up(staged, backup)
        with PostgresBulk(url).reading() as here:
            refuse_other_schema(here)
            found = _compared(here, staged, contents)
        yield found


def put_in_place(url: str, found: Prepared, kept: Path) -> Path:
    """Exchange all rows in one transaction; the new file where those that were there are kept.

    Everybody else waits meanwhile. After an exception the server's rows are as they were, unless
    it is the connection that broke while the transaction was ended: then the file stays.
    Raises `RefusedError` when they aren't those any more that `prepared` has seen.
    """
    from abathur.infrastructure.database.engines.postgres_replacing import replacing

    with replacing(url) as here, _file(found.staged).reading() as there:
        refuse_other_schema(here)
        tables = matched(there, here, leave_others=True)
        here.lock(tables)
        _refuse_changed(here, found)
        save(here, _file(kept), kept)
        try:
            _exchange(there, here, tables)
        except BaseException:
            with suppress(OSError):
                kept.unlink()
            raise
    return kept


def _exchange(there: SqliteRows, here: Replacing, tables: Sequence[Table]) -> None:
    # A number that was given once isn't given again: somebody may still know it.
    counters = dict(there.counters())
    for name, number in here.counters().items():
        counters[name] = max(number, counters.get(name, 0))
    here.empty(tables)
    if there.broken_keys():
        here.leave_keys()
    transfer(there, here, tables, counters, leave_keys=True)


def _compared(here: Rows, staged: Path, backup: Contents) -> Prepared:
    return Prepared(
        where=here.where,
        staged=staged,
        backup=backup,
        present=contents_of(here),
        unreadable=None,
        difference=difference_of(here, backup),
        workers=live_workers_of(here),
    )


def _refuse_changed(here: Rows, found: Prepared) -> None:
    seen = {worker.id for worker in found.workers}
    if contents_of(here) != found.present or {one.id for one in live_workers_of(here)} - seen:
        raise RefusedError(
            f"somebody changed `{here.where}` meanwhile, so nothing was restored; try again"
        )


def _bring_up(staged: Path, backup: Path) -> None:
    connection = connect(str(staged), busy_timeout=TIMEOUT)
    try:
        schema = SqliteSchema(connection, None, str(backup), Alone(), TIMEOUT)
        migrate.upgrade(schema, migrate.load("sqlite"))
    finally:
        connection.close()


def _file(path: Path) -> SqliteBulk:
    return SqliteBulk(path, partial(migrate.upgrade, migrations=migrate.load("sqlite")))
