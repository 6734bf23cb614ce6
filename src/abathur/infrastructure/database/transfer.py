"""All rows of one database into another one that has none, compared row by row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from hashlib import sha256
from operator import itemgetter
from pathlib import Path
from struct import pack
from typing import TYPE_CHECKING, Any

from abathur.domain.errors import DatabaseError, MigrationError
from abathur.infrastructure.database import migrate
from abathur.infrastructure.database.engines.bulk import Loading, Rows, Table, Values
from abathur.ports.moving import CopiedTable

if TYPE_CHECKING:
    from abathur.infrastructure.database.engines.bulk import Bulk


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


def transfer(
    there: Rows,
    here: Loading,
    tables: Iterable[Table],
    counters: Mapping[str, int],
    *,
    leave_keys: bool = False,
) -> tuple[CopiedTable, ...]:
    """The rows of these tables, in this order. Both sides are read to the end and compared.

    With `leave_keys` rows may point to nothing, as far as the target takes such.
    """
    read = {table: _transfer(there, here, table) for table in tables}
    here.count_on(counters)
    if not leave_keys:
        here.check_keys()
    for table, digest in read.items():
        _compare(here, table, digest)
    by_name = {table.name: digest for table, digest in read.items()}
    return tuple(by_name[name].told(name) for name in sorted(by_name))


def save(there: Rows, target: Bulk, path: Path) -> None:
    """A copy of our tables in the new file `path`, which is `target`.

    Rows that contradict each other, or that point to nothing, are copied as they are. What
    somebody else keeps in the same schema isn't. The file is complete and durable at the end, or
    not there.
    """
    if path.exists() or path.is_symlink():
        raise DatabaseError(f"`{path}` exists already; name another file or remove it first")
    with target.loading() as here:
        tables = matched(there, here, leave_others=True)
        transfer(there, here, tables, there.counters(), leave_keys=True)


def matched(there: Rows, here: Rows, *, leave_others: bool = False) -> Sequence[Table]:
    """The tables with the columns of the source, parents first.

    With `leave_others` a table that only one of them has is left out, else it is refused.
    """
    tables = {table.name: table for table in there.tables() if table.name not in there.own}
    targets = {table.name: table for table in here.tables() if table.name not in here.own}
    if leave_others:
        shared = tables.keys() & targets.keys()
        tables, targets = ({name: some[name] for name in shared} for some in (tables, targets))
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
    return [tables[name] for name in order if name in tables]


def refuse_other_schema(there: Rows) -> None:
    """Raises `MigrationError` unless it is of this Abathur, and up to date."""
    migrations = migrate.load(there.engine)
    known = next((one for one in there.tables() if one.name == "schema_migrations"), None)
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
