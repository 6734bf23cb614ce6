"""What a SQLite schema is, to be compared with another one, and rows for every table of any."""

import re
from collections.abc import Iterable
from typing import Any

from abathur.infrastructure.database.engines.sqlite import Connection
from abathur.infrastructure.database.engines.sqlite_inspection import quoted, user_tables

FIRST = 101
"""Of the numbers that filled-in rows have: above those that a migration itself may insert."""
ROWS = (0, 1)
COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
TIME = re.compile(r"(_at|_until|_time|timestamp|deadline|not_before)$|^at$")

Row = dict[str, Any]


def described(connection: Connection) -> dict[str, Any]:
    """Everything that makes the schema, but not how its text is laid out."""
    found: dict[str, Any] = {}
    for kind, name, table, sql in connection.execute(
        "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT GLOB 'sqlite_stat*'"
    ):
        found[f"{kind} {name}"] = (table, _normal(sql or ""))
        for pragma in PRAGMAS.get(kind, ()):
            rows = connection.execute(f"PRAGMA {pragma}({quoted(name)})").fetchall()
            found[f"{pragma} of {name}"] = sorted(rows, key=repr)
    return found


PRAGMAS = {
    "table": ("table_xinfo", "index_list", "foreign_key_list"),
    "index": ("index_xinfo",),
}


def _normal(sql: str) -> str:
    # A renamed table is quoted where a created one isn't.
    plain = COMMENT.sub(" ", sql).replace('"', "")
    return re.sub(r"\s*([(),;])\s*", r"\1", " ".join(plain.split()))


def contents(connection: Connection, tables: Iterable[str] | None = None) -> dict[str, list[Row]]:
    """All rows of the tables, but for the record of migrations."""
    found = {}
    for table in tables or user_tables(connection):
        if table != "schema_migrations":
            columns = _columns(connection, table)
            rows = connection.execute(f"SELECT * FROM {quoted(table)}")
            found[table] = [dict(zip(columns, row, strict=True)) for row in rows]
    return found


def fill(connection: Connection) -> None:
    """Rows for every table, guessed from its types, keys and checks; all columns have values."""
    done: dict[str, list[Row]] = {"schema_migrations": []}
    waiting = [table for table in user_tables(connection) if table not in done]
    while waiting:
        table = next(name for name in waiting if _parents(connection, name) <= {*done, name})
        done[table] = [_insert(connection, table, number, done) for number in ROWS]
        waiting.remove(table)


def _insert(connection: Connection, table: str, number: int, done: dict[str, list[Row]]) -> Row:
    (sql,) = connection.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (table,)).fetchall()
    row: Row = {
        name: _value(name, kind, COMMENT.sub(" ", str(sql[0])), number)
        for _, name, kind, *_ in connection.execute(f"PRAGMA table_info({quoted(table)})")
    }
    for place, parent, here, there in _keys(connection, table):
        if parent == table:
            row[here] = None
        else:
            # Two keys to the same table point to different rows.
            row[here] = done[parent][(number + place) % len(ROWS)][there]
    names = ", ".join(quoted(name) for name in row)
    places = ", ".join("?" * len(row))
    connection.execute(
        f"INSERT INTO {quoted(table)} ({names}) VALUES ({places})", tuple(row.values())
    )
    return row


def _value(name: str, kind: str, sql: str, number: int) -> Any:
    word = re.escape(name)
    if choice := re.search(rf"\b{word} IN\s*\(\s*'([^']*)'", sql):
        return choice[1]
    if between := re.search(rf"\b{word} BETWEEN (\d+)", sql):
        return int(between[1])
    if length := re.search(rf"length\({word}\) = (\d+)", sql):
        return f"{number:0{length[1]}x}"
    if f"json_valid({name})" in sql or name.endswith("_data"):
        return f'{{"{name}":{number}}}'
    if kind == "TEXT" and TIME.search(name):
        return f"2030-01-0{number + 1}T00:00:00.000000Z"
    return {
        "INTEGER": FIRST + number,
        "REAL": number + 0.5,
        "BLOB": bytes([number, 0, 255]),
    }.get(kind, f"{name} {number}")


def _keys(connection: Connection, table: str) -> list[tuple[int, str, str, str]]:
    rows: list[Any] = connection.execute(f"PRAGMA foreign_key_list({quoted(table)})").fetchall()
    return [
        (place, parent, here, there or _primary(connection, parent))
        for place, _, parent, here, there, *_ in rows
    ]


def _parents(connection: Connection, table: str) -> set[str]:
    return {parent for _, parent, _, _ in _keys(connection, table)}


def _primary(connection: Connection, table: str) -> str:
    rows = connection.execute(f"PRAGMA table_info({quoted(table)})")
    return next(str(name) for _, name, _, _, _, key in rows if key)


def _columns(connection: Connection, table: str) -> list[str]:
    return [row[1] for row in connection.execute(f"PRAGMA table_info({quoted(table)})")]
