"""Looks at a converted file from outside, before anybody relies on it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from abathur.domain.errors import DatabaseError, MigrationError
from abathur.infrastructure.database.codecs import time_of
from abathur.infrastructure.database.engines.sqlite import Connection
from abathur.infrastructure.database.engines.sqlite_inspection import check, quoted
from abathur.infrastructure.database.engines.sqlite_session import SqliteSession
from abathur.infrastructure.database.legacy.ids import id_of
from abathur.infrastructure.database.legacy.ledger import Ledger
from abathur.infrastructure.database.legacy.reading import Row, Source, jsonable
from abathur.infrastructure.database.recognise import plain_name
from abathur.infrastructure.database.stores import open_stores

SPOT: Final = 200
"""About so many rows of each table are compared with the original value by value."""


def verify(
    source: Source, target: Connection, ledger: Ledger, statements: Mapping[str, str]
) -> None:
    """Raises `MigrationError` for the first thing that isn't as it has to be."""
    problems = (
        *_damage(target, statements),
        *_miscounted(source, target, ledger),
        *_missing(source, target),
    )
    if problems:
        raise MigrationError(
            f"the converted database isn't right ({problems[0]}), so it was thrown away; "
            "nothing was changed: report this, with the tables of the file if you can"
        )


def _damage(target: Connection, statements: Mapping[str, str]) -> Iterator[str]:
    problems = check(target, full=True)
    if not problems:
        target.execute("BEGIN")
        session = SqliteSession(target, statements, "the converted copy")
        problems = list(open_stores(session).upkeep.problems(1))
        target.execute("ROLLBACK")
    yield from (problem.text for problem in problems)


def _miscounted(source: Source, target: Connection, ledger: Ledger) -> Iterator[str]:
    for table in source.tables:
        counts, there = ledger.of(table), sum(1 for _ in source.rows(table))
        if counts.rows != there:
            yield f"{counts.rows} of {there} rows of {table} were looked at"
    wanted: Counter[str] = Counter()
    for counts in ledger.tables.values():
        if counts.target not in (None, "task_dependencies"):
            wanted[str(counts.target)] += counts.converted
    wanted["audit"] += ledger.imported
    wanted["legacy_rows"] = ledger.kept
    for table, count in wanted.items():
        found: Any = target.execute(f"SELECT count(*) FROM {quoted(table)}").get
        if found != count:
            yield f"{table} has {found} rows instead of {count}"


def _missing(source: Source, target: Connection) -> Iterator[str]:
    for table in source.tables:
        step = max(1, _count(source, table) // SPOT)
        for number, row in enumerate(source.rows(table)):
            if number % step == 0 and not is_found(row, target):
                yield f"row {row.key} of {table} isn't found again"


def is_found(row: Row, target: Connection) -> bool:
    """Whether the row is kept as it was, or each of its values stands in the converted row."""
    kept: list[tuple[Any, ...]] = target.execute(
        "SELECT content FROM legacy_rows WHERE source_table = ? AND source_key = ?",
        (row.table, row.key),
    ).fetchall()
    if kept:
        return bool(json.loads(kept[0][0]) == json.loads(row.json()))
    find = FINDERS.get(plain_name(row.table))
    return (find is not None and find(row, target)) or _is_repeated_in_kept(row, target)


def _is_repeated_in_kept(row: Row, target: Connection) -> bool:
    """Whether the other table of a rebuild had it in the same words, and that row is kept."""
    base = plain_name(row.table)
    wanted = {name: jsonable(value) for name, value in row.values.items() if value is not None}
    others: list[tuple[Any, ...]] = target.execute(
        "SELECT source_table, content FROM legacy_rows WHERE source_table <> ?"
        " AND source_table GLOB ? AND json_extract(content, '$.id') IS ?",
        (row.table, f"{base}*", wanted.get("id")),
    ).fetchall()
    return any(
        plain_name(table) == base and wanted.items() <= json.loads(content).items()
        for table, content in others
    )


def _by_id(table: str) -> Callable[[Row, Connection], bool]:
    def find(row: Row, target: Connection) -> bool:
        key = row.values.get("id")
        wanted = id_of(key) if table == "tasks" else key
        found = _fetch(target, table, "id = ?", wanted)
        return found is not None and _agree(row, found)

    return find


def _checkpoint(row: Row, target: Connection) -> bool:
    where = "task_id = ? AND iteration = ?"
    key = (id_of(row.values.get("task_id")), row.values.get("iteration"))
    found = _fetch(target, "checkpoints", where, *key)
    return found is not None and _agree(row, found)


def _edge(row: Row, target: Connection) -> bool:
    ends = [
        id_of(row.values.get(today) or row.values.get(once))
        for today, once in (
            ("prerequisite_task_id", "depends_on_id"),
            ("dependent_task_id", "task_id"),
        )
    ]
    where = "prerequisite_task_id = ? AND dependent_task_id = ?"
    return _fetch(target, "task_dependencies", where, *ends) is not None


def _entry(row: Row, target: Connection) -> bool:
    subject = next(
        (
            row.values[name]
            for name in ("task_id", "resource_id", "entity_id")
            if row.values.get(name)
        ),
        None,
    )
    entries: list[tuple[Any, ...]] = target.execute(
        "SELECT action_data FROM audit WHERE task_id = ? AND action_type = 'legacy_recorded'",
        (id_of(subject),),
    ).fetchall()
    return any(json.loads(data).get("id") == row.values.get("id") for (data,) in entries)


FINDERS: Final[Mapping[str, Callable[[Row, Connection], bool]]] = {
    "tasks": _by_id("tasks"),
    "sessions": _by_id("sessions"),
    "agents": _by_id("agents"),
    "memory_entries": _by_id("memory_entries"),
    "memories": _by_id("memory_entries"),
    "document_index": _by_id("document_index"),
    "metrics": _by_id("metrics"),
    "checkpoints": _checkpoint,
    "task_dependencies": _edge,
    "audit": _entry,
    "audit_log": _entry,
}


def _agree(row: Row, found: Mapping[str, Any]) -> bool:
    return all(
        value is None or name not in found or is_same(value, found[name])
        for name, value in row.values.items()
    )


def is_same(older: Any, today: Any) -> bool:
    """Equal, or the same moment, or the same JSON."""
    if older == today:
        return True
    if not isinstance(older, str) or not isinstance(today, str):
        return False
    for read in (time_of, json.loads):
        try:
            return bool(read(older) == read(today))
        except (ValueError, OverflowError, RecursionError, DatabaseError):
            continue
    return False


def _fetch(target: Connection, table: str, where: str, *key: Any) -> Mapping[str, Any] | None:
    names = [name for _, name, *_ in target.execute(f"PRAGMA table_info({quoted(table)})")]
    rows = target.execute(f"SELECT * FROM {quoted(table)} WHERE {where}", key).fetchall()
    return dict(zip(names, rows[0], strict=True)) if rows else None


def _count(source: Source, table: str) -> int:
    return sum(1 for _ in source.rows(table))
