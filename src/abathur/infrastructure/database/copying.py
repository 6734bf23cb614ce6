"""Copies a whole database into another one, of the same engine or not, and proves it complete.

Which tables there are is asked of the databases, so that none can be forgotten.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

from abathur.domain.agents import Worker
from abathur.domain.errors import InvalidInputError, SwarmError
from abathur.infrastructure.database import migrate
from abathur.infrastructure.database.engines.bulk import Bulk, Rows, Table
from abathur.infrastructure.database.engines.sqlite_bulk import SqliteBulk
from abathur.infrastructure.database.opening import MEMORY, driver_needed, file_of, name_of
from abathur.infrastructure.database.stores.rows import worker_of
from abathur.infrastructure.database.transfer import matched, refuse_other_schema, transfer
from abathur.ports.moving import Copied

IsAlive = Callable[[Worker], bool | None]


def bulk(place: str) -> Bulk:
    """The database at a path or a URL. Raises `DatabaseError` when there can be none."""
    if place in ("", ".", MEMORY):
        raise InvalidInputError(f"`{place}` can't be copied; give a file or a URL")
    path = file_of(place)
    if path is not None:
        return SqliteBulk(path, partial(migrate.upgrade, migrations=migrate.load("sqlite")))
    # Refused before the driver is looked for: what is wrong may be the name.
    name_of(place)
    with driver_needed():
        from abathur.infrastructure.database.engines.postgres_bulk import PostgresBulk
    return PostgresBulk(place, partial(migrate.upgrade, migrations=migrate.load("postgres")))


def copy(source: Bulk, target: Bulk, is_alive: IsAlive, now: datetime) -> Copied:
    """Everything that the source holds at one moment, into a target that has no rows yet.

    All of it is there at the end, or nothing. Both sides are read to the end and compared.
    Raises `SwarmError` while a swarm works on the source: it would go on writing there.
    """
    with source.reading() as there:
        refuse_other_schema(there)
        workers = next(table for table in there.tables() if table.name == "workers")
        _refuse_live(there, workers, is_alive, now)
        with target.loading() as here:
            done = transfer(there, here, matched(there, here), there.counters())
    return Copied(there.where, here.where, done)


def _refuse_live(there: Rows, table: Table, is_alive: IsAlive, now: datetime) -> None:
    for row in there.rows(table):
        worker = worker_of(dict(zip(table.columns, row, strict=True)))
        if worker.stopped_at is None and _may_live(worker, is_alive, now):
            raise SwarmError(
                f"a swarm works on `{there.where}` (process {worker.pid} on {worker.machine}) and "
                "would go on writing there; stop it first by `abathur swarm stop`"
            )


def _may_live(worker: Worker, is_alive: IsAlive, now: datetime) -> bool:
    alive = is_alive(worker)
    return worker.lease_until > now if alive is None else alive
