"""Copies a whole database into another one, of the same engine or not, and proves it complete.

Which tables there are is asked of the databases, so that none can be forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from graphlib import CycleError, TopologicalSorter
from hashlib import sha256
from operator import itemgetter
from struct import pack
from typing import Any

from abathur.domain.agents import Worker
from abathur.domain.errors import DatabaseError, InvalidInputError, MigrationError, SwarmError
from abathur.infrastructure.database import migrate
from abathur.infrastructure.database.engines.bulk import Bulk, Loading, Rows, Table, Values
from abathur.infrastructure.database.engines.sqlite_bulk import SqliteBulk
from abathur.infrastructure.database.opening import MEMORY, driver_needed, file_of, name_of
from abathur.infrastructure.database.stores.rows import worker_of
from abathur.ports.moving import Copied, CopiedTable

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
        tables = {table.name: table for table in there.tables()}
        _refuse_other_schema(there, tables)
        _refuse_live(there, tables["workers"], is_alive, now)
        with target.loading() as here:
            moved = _matched(there, tables, here)
            read = {table.name: _transfer(there, here, table) for table in moved}
            here.count_on(there.counters())
            here.check_keys()
            for table in moved:
                _compare(here, table, read[table.name])
            done = tuple(read[name].told(name) for name in sorted(read))
    return Copied(there.where, here.where, done)


class Digest:
    """Of a set of rows: the same for the same rows in any order."""

    def __init__(self) -> None:
        self.rows = 0
        self._sum = 0

    def add(self, row: Values) -> None:
        self.rows += 1
        self._sum += int.from_bytes(sha256(encoded(row)).digest(), "big")

    def along(self, rows: Iterable[Values]) -> Iterator[Values]:
        for row in rows:
            self.add(row)
            yield row

    @property
    def hex(self) -> str:
        return f"{self._sum % 2**256:064x}"

    def told(self, name: str) -> CopiedTable:
        return CopiedTable(name, self.rows, self.hex)


def encoded(row: Values) -> bytes:
    """Different bytes for different rows: the kind and the length of each value, then the value."""
    parts: list[bytes] = []
    for value in row:
        match value:
            case None:
                kind, data = b"n", b""
            case int():
                kind, data = b"i", b"%d" % value
            case float():
                kind, data = b"f", pack(">d", value)
            case str():
                kind, data = b"t", value.encode()
            case bytes():
                kind, data = b"b", value
        parts += (kind, b"%d:" % len(data), data)
    return b"".join(parts)


def _transfer(there: Rows, here: Loading, table: Table) -> Digest:
    digest = Digest()
    here.insert(table, digest.along(there.rows(table)))
    return digest


def _compare(here: Rows, table: Table, read: Digest) -> None:
    written = Digest()
    for row in here.rows(table):
        written.add(row)
    if (written.rows, written.hex) != (read.rows, read.hex):
        raise DatabaseError(
            f"`{here.where}` gives back other rows of {table.name} than it was given "
            f"({written.rows} of {read.rows}), so nothing was copied; report this"
        )


def _matched(there: Rows, tables: Mapping[str, Table], here: Rows) -> list[Table]:
    """The tables with the columns of the source, parents first."""
    targets = {table.name: table for table in here.tables() if table.name not in here.own}
    tables = {name: table for name, table in tables.items() if name not in there.own}
    problems = [f"table {name}" for name in sorted(tables.keys() ^ targets.keys())] + [
        f"column {column} of {name}"
        for name in sorted(tables.keys() & targets.keys())
        for column in sorted({*tables[name].columns} ^ {*targets[name].columns})
    ]
    if problems:
        raise MigrationError(
            f"`{there.where}` and `{here.where}` differ in {', '.join(problems)}, which would get "
            "lost; remove what isn't Abathur's, or bring both up to date by `abathur db migrate`"
        )
    parents = {name: targets[name].parents - {name} for name in tables}
    try:
        order = list(TopologicalSorter(parents).static_order())
    except CycleError:
        order = sorted(parents)
    return [tables[name] for name in order]


def _refuse_other_schema(there: Rows, tables: Mapping[str, Table]) -> None:
    migrations = migrate.load(there.engine)
    known = tables.get("schema_migrations")
    wanted = ("version", "name", "checksum")
    if known is None or not set(wanted) <= {*known.columns}:
        raise MigrationError(
            f"`{there.where}` isn't a database of this Abathur; if it is an older one's, bring it "
            "up to date first by `abathur --db PLACE db migrate`"
        )
    done: list[Any] = sorted(there.rows(replace(known, columns=wanted)), key=itemgetter(0))
    migrate.compare(there.where, done, migrations)
    if len(done) < len(migrations):
        raise MigrationError(
            f"`{there.where}` has schema {len(done)}, this Abathur {len(migrations)}; bring it up "
            "to date first by `abathur --db PLACE db migrate`"
        )


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
