"""What the records of each table mean: from the source's own schema, or from ours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from abathur.infrastructure.database.engines.sqlite import MEMORY, Connection, DriverError, connect
from abathur.infrastructure.database.engines.sqlite_inspection import quoted
from abathur.infrastructure.database.recovery.records import Cell, Value
from abathur.infrastructure.database.recovery.trees import Walk

SCHEMA_ROOT: Final = 1
OF_TYPE: Final[Mapping[str, tuple[type, ...]]] = {
    "TEXT": (str, type(None)),
    "INTEGER": (int, type(None)),
    "REAL": (int, float, type(None)),
    "BLOB": (bytes, type(None)),
}

Row = dict[str, Value]


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the schema table."""

    kind: str
    name: str
    table: str
    root: int
    sql: str | None


@dataclass(frozen=True, slots=True)
class Layout:
    table: str
    columns: tuple[str, ...]
    """In the order in which a record holds them."""
    types: tuple[str, ...]
    has_rowid: bool
    alias: str | None
    """The column that is the row id, and is stored as nothing."""

    def row(self, cell: Cell) -> Row | None:
        """None when the cell isn't one of this table."""
        if (cell.rowid is not None) != self.has_rowid or len(cell.values) > len(self.columns):
            return None
        # A column that was added later is missing in rows from before.
        found: Row = dict(zip(self.columns, cell.values, strict=False))
        if self.alias is not None and found.get(self.alias) is None:
            found[self.alias] = cell.rowid
        return found

    def could_be(self, cell: Cell) -> bool:
        """Whether the values have the types of the columns, all of them."""
        if len(cell.values) != len(self.columns):
            return False
        pairs = zip(self.types, cell.values, strict=True)
        return all(isinstance(value, OF_TYPE.get(kind, (object,))) for kind, value in pairs)


def entries(walk: Walk) -> Sequence[Entry]:
    """The readable rows of the source's schema."""
    found = []
    for cell in walk.cells(SCHEMA_ROOT):
        match cell.values:
            case (str(kind), str(name), str(table), root, (str() | None) as sql):
                number = root if isinstance(root, int) else 0
                found.append(Entry(kind, name, table, number, sql))
    return found


def layouts(connection: Connection, tables: Iterable[str]) -> dict[str, Layout]:
    """Of tables that exist in the connected database."""
    return {table: _layout(connection, table) for table in tables}


def scratch(statements: Iterable[str]) -> Connection:
    """A database in memory with these tables; what SQLite refuses is left out."""
    connection = connect(MEMORY, busy_timeout=0)
    connection.execute("PRAGMA foreign_keys = OFF")
    for sql in statements:
        try:
            connection.execute(sql)
        except DriverError:
            continue
    return connection


def _layout(connection: Connection, table: str) -> Layout:
    info: list[Any] = connection.execute(
        "SELECT name, upper(type), pk FROM pragma_table_info(?) ORDER BY cid", (table,)
    ).fetchall()
    ((without_rowid,),) = connection.execute(
        "SELECT wr FROM pragma_table_list WHERE schema = 'main' AND name = ?", (table,)
    ).fetchall()
    if without_rowid:
        # The key comes first, in its own order.
        info = [*sorted((one for one in info if one[2]), key=_key), *_others(info)]
    keys = [(name, kind) for name, kind, key in info if key]
    is_alias = not without_rowid and len(keys) == 1 and keys[0][1] == "INTEGER"
    return Layout(
        table,
        tuple(name for name, _, _ in info),
        tuple(kind for _, kind, _ in info),
        not without_rowid,
        keys[0][0] if is_alias else None,
    )


def _key(column: tuple[str, str, int]) -> int:
    return column[2]


def _others(info: Sequence[tuple[str, str, int]]) -> Iterator[tuple[str, str, int]]:
    return (one for one in info if not one[2])


def insert_sql(table: str, columns: Iterable[str]) -> str:
    names = list(columns)
    marks = ", ".join("?" for _ in names)
    listed = ", ".join(quoted(name) for name in names)
    return f"INSERT INTO {quoted(table)} ({listed}) VALUES ({marks})"
