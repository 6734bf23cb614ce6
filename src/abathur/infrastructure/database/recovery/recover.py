"""From a damaged file to a new database with all of its rows that can be read."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Final

from abathur.domain.errors import DatabaseCorruptError, DatabaseError, DatabaseFullError
from abathur.infrastructure.database import migrate
from abathur.infrastructure.database.engines.disk import publish
from abathur.infrastructure.database.engines.sqlite import (
    MEMORY,
    NO_SPACE,
    Connection,
    DriverError,
    connect,
    full,
    translated,
)
from abathur.infrastructure.database.engines.sqlite_inspection import columns, user_tables
from abathur.infrastructure.database.engines.sqlite_lock import Alone, taken, turns
from abathur.infrastructure.database.engines.sqlite_schema import SqliteSchema
from abathur.infrastructure.database.recognise import OURS
from abathur.infrastructure.database.recovery.image import Image, opened
from abathur.infrastructure.database.recovery.layout import (
    Entry,
    Layout,
    entries,
    layouts,
    scratch,
)
from abathur.infrastructure.database.recovery.rebuild import (
    Rebuild,
    make_words,
    take_triggers_off,
)
from abathur.infrastructure.database.recovery.trees import Walk
from abathur.ports.restoring import Recovered, RecoveredTable

VERSIONS: Final = "schema_migrations"
SEQUENCES: Final = "sqlite_sequence"
LOCK_SECONDS: Final = 5.0


def recover(source: Path, target: Path) -> Recovered:
    """Write what can be read of the source to the new file target; the source is only read.

    Nothing appears under the name of the target before it is complete. Raises `NotFoundError`,
    `DatabaseError`; `DatabaseCorruptError` when nothing can be read at all.
    """
    if target.exists() or target.is_symlink():
        raise DatabaseError(f"`{target}` exists already; name a new file")
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    leftovers = target.with_name(f"{target.name}.leftovers.jsonl")
    partial_leftovers = partial.with_name(f"{partial.name}.jsonl")
    try:
        with (
            _quiet(source),
            opened(source) as image,
            partial_leftovers.open("w", encoding="utf-8") as file,
        ):
            recovered = _recover(image, source, partial, file)
        if partial_leftovers.stat().st_size:
            partial_leftovers.replace(leftovers)
            recovered = replace(recovered, leftovers=leftovers)
        publish(partial, target)
    except DatabaseFullError as error:
        raise full(str(target)) from error
    except OSError as error:
        if error.errno in NO_SPACE:
            raise full(str(target)) from error
        raise DatabaseError(f"can't write `{target}`: {error.strerror}") from error
    finally:
        for file_name in (partial, partial_leftovers):
            with suppress(OSError):
                file_name.unlink()
    return recovered


@contextmanager
def _quiet(source: Path) -> Iterator[None]:
    """Keep swarms from writing while the file is read, if there may be any."""
    if not source.with_name(f"{source.name}.lock").exists():
        yield
        return
    turn = turns(source)
    try:
        with taken(turn, str(source), LOCK_SECONDS):
            yield
    finally:
        turn.close()


def _recover(image: Image, source: Path, partial: Path, leftovers: IO[str]) -> Recovered:
    where = str(partial)
    partial.unlink(missing_ok=True)
    found = _Source.read(image)
    connection = connect(where, busy_timeout=1)
    try:
        with translated(where, connection):
            connection.execute("PRAGMA foreign_keys = OFF")
            found.make_tables(connection)
            connection.execute("BEGIN")
            triggers = take_triggers_off(connection)
            rebuild = Rebuild(connection, leftovers)
            _move(found, rebuild)
            if found.is_ours:
                rebuild.fix_keys()
            for sql in triggers:
                connection.execute(sql)
            make_words(connection)
            connection.execute("COMMIT")
            _check(connection)
    finally:
        connection.close()
    if not sum(rebuild.kept.values()) and not _is_soundly_empty(found, rebuild):
        raise DatabaseCorruptError(
            f"nothing of `{source}` can be read as a database; go back to a backup"
        )
    return _told(found, rebuild)


def _is_soundly_empty(found: _Source, rebuild: Rebuild) -> bool:
    """Whether there are no rows because there were none."""
    damaged = found.walk.damaged or found.walk.image.damaged_frames or sum(rebuild.lost.values())
    return found.is_ours and bool(found.roots) and not damaged


def _told(found: _Source, rebuild: Rebuild) -> Recovered:
    tables = sorted({*found.layouts, *rebuild.kept, *rebuild.lost} - {VERSIONS, SEQUENCES})
    return Recovered(
        tables=[
            RecoveredTable(
                table=table,
                kept=rebuild.kept[table],
                lost=rebuild.lost[table],
                changed=rebuild.changed[table],
            )
            for table in tables
        ],
        damaged_pages=len(found.walk.damaged) + found.walk.image.damaged_frames,
        leftovers=None,
    )


@dataclass(slots=True)
class _Source:
    """What the damaged file says about itself, filled up from what ours would say."""

    walk: Walk
    roots: Mapping[str, int]
    indexes: Sequence[Entry]
    statements: Sequence[str]
    """Its own CREATE TABLE statements."""
    layouts: Mapping[str, Layout]
    version: int
    is_ours: bool

    @classmethod
    def read(cls, image: Image) -> _Source:
        walk = Walk(image)
        schema = entries(walk)
        tables = [one for one in schema if one.kind == "table" and one.root > 1]
        statements = [one.sql for one in tables if one.sql and one.name != SEQUENCES]
        own = scratch(statements)
        readable = {*user_tables(own)}
        is_ours = not readable or _has_versions(own)
        found = layouts(own, readable)
        own.close()
        roots = {one.name: one.root for one in tables}
        version = _version(walk, roots, found) if is_ours else 0
        if is_ours:
            found = _ours(version) | found
        indexes = [one for one in schema if one.kind == "index" and one.root > 1]
        return cls(walk, roots, indexes, statements, found, version, is_ours)

    def make_tables(self, connection: Connection) -> None:
        if self.is_ours:
            _upgrade(connection, self.version)
        else:
            for sql in self.statements:
                with suppress(DriverError):
                    connection.execute(sql)


def _has_versions(connection: Connection) -> bool:
    return OURS.issubset(columns(connection, VERSIONS))


def _version(walk: Walk, roots: Mapping[str, int], found: Mapping[str, Layout]) -> int:
    """How many of our migrations the source had seen; all when that can't be read."""
    known = len(migrate.load("sqlite"))
    if VERSIONS not in roots:
        return known
    rows = [found[VERSIONS].row(cell) for cell in walk.cells(roots[VERSIONS])]
    versions = [row["version"] for row in rows if row is not None]
    return max((one for one in versions if isinstance(one, int) and one <= known), default=known)


def _upgrade(connection: Connection, version: int) -> None:
    schema = SqliteSchema(connection, None, MEMORY, Alone(), 1)
    migrate.upgrade(schema, migrate.load("sqlite")[:version])
    connection.execute("PRAGMA foreign_keys = OFF")


def _ours(version: int) -> dict[str, Layout]:
    connection = connect(MEMORY, busy_timeout=0)
    try:
        _upgrade(connection, version)
        return layouts(connection, user_tables(connection))
    finally:
        connection.close()


def _move(found: _Source, rebuild: Rebuild) -> None:
    """Rows of trees first; those of stray pages only for tables whose tree isn't whole."""
    broken = set()
    for table, layout in found.layouts.items():
        if table == VERSIONS and found.is_ours:
            continue
        if not _move_tree(found, layout, rebuild):
            broken.add(table)
    for table in found.roots.keys() - found.layouts.keys():
        # Walked for its pages alone, which then aren't taken for stray ones of another table.
        deque(found.walk.cells(found.roots[table]), 0)
    sequences = list(_sequences(found))
    known = {one.name: sum(1 for _ in found.walk.cells(one.root)) for one in found.indexes}
    candidates = [found.layouts[table] for table in broken]
    if candidates:
        _move_strays(found.walk, candidates, rebuild)
    _count_lost(found, known, sequences, rebuild)
    _set_sequences(sequences, rebuild)


def _move_tree(found: _Source, layout: Layout, rebuild: Rebuild) -> bool:
    """Whether all of its pages could be read."""
    root = found.roots.get(layout.table)
    if root is None:
        return False
    damaged = len(found.walk.damaged)
    cells = found.walk.damaged_cells
    for cell in found.walk.cells(root):
        row = layout.row(cell)
        if row is None:
            rebuild.lost[layout.table] += 1
        else:
            rebuild.add(layout.table, row)
    rebuild.lost[layout.table] += found.walk.damaged_cells - cells
    return len(found.walk.damaged) == damaged


def _move_strays(walk: Walk, candidates: Sequence[Layout], rebuild: Rebuild) -> None:
    for has_rowid, cells in walk.strays(walk.image.free()):
        fitting = {
            layout.table: sum(layout.could_be(cell) for cell in cells)
            for layout in candidates
            if layout.has_rowid == has_rowid
        }
        best = max(fitting, key=fitting.__getitem__, default=None)
        if best is None or not fitting[best]:
            continue
        layout = next(one for one in candidates if one.table == best)
        for cell in cells:
            row = layout.row(cell) if layout.could_be(cell) else None
            if row is not None:
                rebuild.add(best, row, is_certain=False)


def _sequences(found: _Source) -> Iterator[tuple[str, int]]:
    root = found.roots.get(SEQUENCES)
    for cell in found.walk.cells(root) if root else ():
        match cell.values:
            case (str(table), int(highest)):
                yield table, highest


def _set_sequences(sequences: Sequence[tuple[str, int]], rebuild: Rebuild) -> None:
    """Numbers that were given once are never given again, even when their rows are lost."""
    for table, highest in sequences:
        rebuild.connection.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table,))
        rebuild.connection.execute("INSERT INTO sqlite_sequence VALUES (?, ?)", (table, highest))


def _count_lost(
    found: _Source,
    known: Mapping[str, int],
    sequences: Sequence[tuple[str, int]],
    rebuild: Rebuild,
) -> None:
    """By what the indexes and the numbers of the trail know of rows that aren't there."""
    for index in found.indexes:
        is_partial = index.sql is not None and " WHERE " in index.sql.upper()
        if not is_partial:
            there = rebuild.kept[index.table] + rebuild.lost[index.table]
            rebuild.lost[index.table] += max(0, known[index.name] - there)
    for table, highest in sequences:
        if table == "audit":
            there = rebuild.kept[table] + rebuild.lost[table]
            rebuild.lost[table] += max(0, highest - there)


def _check(connection: Connection) -> None:
    ((problem,),) = connection.execute("PRAGMA integrity_check(1)").fetchall()
    if problem != "ok":
        raise DatabaseError(f"the new database came out damaged ({problem}); report this")
