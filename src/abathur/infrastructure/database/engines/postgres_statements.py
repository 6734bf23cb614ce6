"""The statements as PostgreSQL gets them, for transactions that read and for those that write."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from abathur.infrastructure.database.engines.base import Columns
from abathur.infrastructure.database.queries import (
    PARAMETER,
    narrowed,
    parameters,
    reads_trail,
)

LOCKED: Final = ":locked"
"""Ends the name of a statement that takes the place of the one without it in writes."""
MANY: Final = ":many"
"""The same for many rows at once, of a statement from which that can't be made: see `Statement`."""

GUARD: Final = "WITH changed AS (%s RETURNING 1) SELECT 1 / (count(*) = %s)::int FROM changed"

EXPECTED: Final = "expected_"
"""Begins the name of a parameter that isn't the new value of a column."""

ONE_AS_PLANNED: Final = (
    "(SELECT * FROM (SELECT * FROM %s LIMIT (SELECT NULL::bigint)) AS few "
    "LIMIT (SELECT NULL::bigint))"
)
"""All rows of a function, of which the server's planner expects but one.

It takes a tenth of the rows for a limit that it doesn't know. A plan that is kept would else be to
go through a table that was small when it was made: here it looks up each row by its key.
"""
TEXTS: Final = ONE_AS_PLANNED % r"json_array_elements_text(\1::json) AS given (value)"
VALUES: Final = ONE_AS_PLANNED % r"json_array_elements(\1::json) AS given (value)"
RECORDS: Final = ONE_AS_PLANNED % r"json_to_recordset(\1::json) AS given (\3)"

QUIET: Final = frozenset({"tasks_renew", "landings_renew", "workers_beat"})
"""Leases that are merely prolonged: nobody waits for that."""

_CHANGE: Final = re.compile(r"\b(INSERT INTO|DELETE FROM|SET)\b")
_INSERT: Final = re.compile(
    r"INSERT INTO (\w+) \((?P<columns>[^()]*)\)\s+VALUES \((?P<values>[^()]*)\)(?P<rest>.*);",
    re.DOTALL,
)
_UPDATE: Final = re.compile(r"UPDATE (\w+) (SET\b.*);", re.DOTALL)
_UPSERT: Final = re.compile(r"ON CONFLICT \(([^()]*)\)\s+DO UPDATE")
_ADDS_OR_REMOVES: Final = re.compile(r"\b(INSERT INTO|DELETE FROM)\b")
_WORD: Final = re.compile(r"\w+")
_TABLE: Final = re.compile(r"(?:INSERT INTO|UPDATE) (\w+)")


@dataclass(frozen=True, slots=True)
class Statement:
    sql: bytes
    names: tuple[str, ...]
    """Of its parameters, in their order."""
    changes: bool
    table: str = ""
    """Which it changes."""
    many: bytes | None = None
    """The same for a JSON array of rows, if there is such a thing."""
    key: tuple[str, ...] = ()
    """Names whose values may be the same in two rows, but not in two of one statement."""
    is_quiet: bool = False
    reads_trail: bool = False
    words: frozenset[str] = frozenset()
    """All that it says, so among others the tables that it looks at."""
    is_update: bool = False
    """Whether all that it does beside reading is to change rows that are there."""


@dataclass(frozen=True, slots=True)
class Update:
    """A change of one row, which the server refuses when it finds none; or that of many."""

    guarded: bytes
    many: bytes
    """Takes a JSON array of rows, and how many they are when it is a guarded one."""
    expected: tuple[str, ...]
    """Names of the parameters that it is only compared with."""
    statement: Statement


class Statements(dict[str, Statement]):
    """Those of one kind of transaction by name."""

    def __init__(self, sql: Mapping[str, str], *, writing: bool) -> None:
        super().__init__()
        self._sql = sql
        self._updates: dict[tuple[str, Columns | None, bool], Update] = {}
        for name in sql:
            if ":" not in name:
                self[name] = _statement(name, sql, writing)

    def change(self, name: str, only: Columns | None, is_guarded: bool) -> Update:
        key = (name, only, is_guarded)
        if key not in self._updates:
            sql = self._sql[name]
            self._updates[key] = _update(narrowed(sql, only) if only else sql, is_guarded)
        return self._updates[key]


DIALECT: Final = (
    (
        re.compile(r"\(SELECT CAST\(value AS BIGINT\) FROM json_each\((:\w+)\)\)"),
        rf"(SELECT value::bigint FROM {TEXTS} AS texts)",
    ),
    (
        re.compile(
            r"\(SELECT (?:value FROM json_each\((?=:\w+\)\))|json_array_elements_text\()"
            r"(:\w+)(?:::json)?\)\)"
        ),
        rf"(SELECT value FROM {TEXTS} AS texts)",
    ),
    (re.compile(r"FROM json_array_elements\((:\w+)::json\)"), rf"FROM {VALUES} AS objects"),
    (
        re.compile(r"FROM json_to_recordset\((:\w+)::json\) AS (\w+) \(([^()]*)\)"),
        rf"FROM {RECORDS} AS \2",
    ),
    (re.compile(r"json_group_array\((\w+)\)"), r"json_agg(\1 ORDER BY \1)::text"),
    # The words of the condition of `tasks_ready`: no other index can be used for them.
    (re.compile(r"\b((?:WHERE|AND) )((?:\w+\.)?status = 'ready')"), r"\1(\2) IS TRUE"),
    # A value that is only compared with NULL has no type.
    (re.compile(r"(:\w+)( IS (?:NOT )?NULL)"), r"\1::text\2"),
)


def driver_sql(sql: str) -> bytes:
    """With `$1`, `$2`, ... in place of `:name`, and PostgreSQL's words for SQLite's."""
    for word, ours in DIALECT:
        sql = word.sub(ours, sql)
    numbers = {name: number for number, name in enumerate(parameters(sql), 1)}
    return PARAMETER.sub(lambda found: _numbered(found, numbers), sql).encode()


def _numbered(found: re.Match[str], numbers: Mapping[str, int]) -> str:
    return f"${numbers[found[1]]}" if found[1] else found[0]


def _statement(name: str, sql: Mapping[str, str], writing: bool) -> Statement:
    text = sql[name + LOCKED] if writing and name + LOCKED in sql else sql[name]
    changes = _CHANGE.search(text) is not None
    table = _TABLE.search(text)
    return Statement(
        sql=driver_sql(text),
        names=parameters(text),
        changes=changes,
        table=table[1] if changes and table else "",
        many=driver_sql(sql[name + MANY]) if name + MANY in sql else _insert_many(text),
        key=tuple(words(found[1])) if (found := _UPSERT.search(text)) else (),
        is_quiet=name in QUIET,
        reads_trail=reads_trail(text),
        words=frozenset(_WORD.findall(text)),
        is_update=changes and not _ADDS_OR_REMOVES.search(text),
    )


def _insert_many(sql: str) -> bytes | None:
    """For an insert that says of each column what its parameter is."""
    found = _INSERT.fullmatch(sql)
    if found is None or words(found["values"].replace(":", "")) != words(found["columns"]):
        return None
    table, columns, rest = found[1], found["columns"], found["rest"]
    rows = f"json_populate_recordset(NULL::{table}, $1::json)"
    return f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {rows}{rest}".encode()


def words(listed: str) -> list[str]:
    return [word.strip() for word in listed.split(",")]


def _update(sql: str, is_guarded: bool) -> Update:
    """The one for many rows takes what the row shall be as `new`, and what it has to be beside."""
    found = _UPDATE.fullmatch(sql)
    assert found, sql
    table, names = found[1], parameters(sql)
    expected = [name for name in names if name.startswith(EXPECTED)]
    columns = "".join(f", {name} BIGINT" for name in expected)
    before, where, condition = found[2].rpartition("WHERE")
    rows = f"FROM {ONE_AS_PLANNED} AS r"
    rows %= f"json_to_recordset($1::json) AS given (new {table}{columns})"
    many = PARAMETER.sub(
        lambda name: f"r.{name[1]}" if name[1] in expected else f"(r.new).{name[1]}",
        f"UPDATE {table} {before} {rows} {where} {condition}",
    )
    plain = driver_sql(sql)
    return Update(
        guarded=(GUARD % (plain.decode().rstrip("; \n"), 1)).encode() if is_guarded else plain,
        many=(GUARD % (many, "$2") if is_guarded else many).encode(),
        expected=tuple(expected),
        statement=Statement(sql=plain, names=names, changes=True, table=table),
    )
