"""An upgraded database is as a fresh one, from every schema that was ever released.

A further migration is tested here without a line being added, but for its checksum.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from abathur.domain.errors import DatabaseFullError
from abathur.infrastructure.database import migrate
from abathur.infrastructure.database.engines.base import SchemaConnection, Session
from abathur.infrastructure.database.engines.sqlite import Connection, connect
from abathur.infrastructure.database.engines.sqlite_engine import SqliteEngine
from abathur.infrastructure.database.migrate import Migration
from tests.infrastructure.database.schemas import contents, described, fill

OpenNotes = Callable[..., SqliteEngine[Session]]

REAL = migrate.load("sqlite")

RELEASED = {
    "0001_first_schema": "67f4358f5ac5a964",
}
"""How the checksums of released migrations begin: they are never edited."""

SYNTHETIC = (
    Migration(
        1,
        "first",
        "CREATE TABLE people (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL,"
        " boss INTEGER REFERENCES people (id));"
        "CREATE TABLE notes (id TEXT PRIMARY KEY, author INTEGER NOT NULL REFERENCES people (id)"
        " ON DELETE CASCADE, state TEXT NOT NULL CHECK (state IN ('open', 'done')));",
    ),
    Migration(
        2,
        "column",
        "ALTER TABLE notes ADD COLUMN weight REAL NOT NULL DEFAULT 1.5 CHECK (weight > 0);"
        "CREATE INDEX notes_open ON notes (author) WHERE state = 'open';",
    ),
    Migration(
        3,
        "rebuild",
        "CREATE TABLE other (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE,"
        " boss INTEGER REFERENCES people (id), size INTEGER NOT NULL DEFAULT 0);"
        "INSERT INTO other (id, name, boss) SELECT id, name, boss FROM people;"
        "DROP TABLE people; ALTER TABLE other RENAME TO people;",
    ),
    Migration(
        4,
        "table",
        "CREATE TABLE log (at TEXT NOT NULL, note TEXT REFERENCES notes (id));"
        "CREATE TRIGGER noted AFTER UPDATE ON notes BEGIN"
        " INSERT INTO log VALUES ('2030', new.id); END;",
    ),
)

LINES = {"real": REAL, "synthetic": SYNTHETIC}
STEPS = [
    pytest.param(line, count, id=f"{name}-from-{count}")
    for name, line in LINES.items()
    for count in range(1, len(line) + 1)
]


@contextmanager
def opened(path: Path) -> Iterator[Connection]:
    connection = connect(str(path), busy_timeout=1)
    yield connection
    connection.close()


@pytest.mark.parametrize(("line", "count"), STEPS)
def test_an_upgraded_database_is_as_a_fresh_one_and_keeps_its_rows(
    open_notes: OpenNotes, tmp_path: Path, line: Sequence[Migration], count: int
) -> None:
    fresh, old = tmp_path / "fresh.db", tmp_path / "old.db"
    open_notes(fresh, migrations=tuple(line)).close()
    open_notes(old, migrations=tuple(line[:count])).close()
    with opened(old) as connection:
        fill(connection)
        before = contents(connection)
        assert all(before.values())
    open_notes(old, migrations=tuple(line)).close()
    with opened(fresh) as wanted, opened(old) as upgraded:
        assert described(upgraded) == described(wanted)
        assert kept(before, contents(upgraded, before)) == before
        assert upgraded.execute("PRAGMA foreign_key_check").fetchall() == []


def kept(before: dict[str, list[Any]], after: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Of the rows afterwards, the columns that were there before."""
    return {
        table: [{name: row[name] for name in rows[0]} for row in after[table][: len(rows)]]
        for table, rows in before.items()
    }


def test_released_migrations_are_never_edited() -> None:
    for migration in REAL:
        pinned = RELEASED.get(migration.title)
        assert pinned is None or migration.checksum.startswith(pinned), migration.title
    assert {*RELEASED} <= {migration.title for migration in REAL}


BASE = "CREATE TABLE a (x INTEGER PRIMARY KEY, y TEXT)"


@pytest.mark.parametrize(
    "other",
    [
        "CREATE TABLE a (x INTEGER PRIMARY KEY, y TEXT NOT NULL)",
        "CREATE TABLE a (x INTEGER PRIMARY KEY, y TEXT DEFAULT '')",
        "CREATE TABLE a (x INTEGER PRIMARY KEY, y TEXT CHECK (y > ''))",
        "CREATE TABLE a (x INTEGER PRIMARY KEY, y TEXT REFERENCES a (x))",
        "CREATE TABLE a (x INTEGER PRIMARY KEY, y TEXT COLLATE NOCASE)",
        "CREATE TABLE a (x INTEGER PRIMARY KEY, y INTEGER)",
        "CREATE TABLE a (y TEXT, x INTEGER PRIMARY KEY)",
        "CREATE TABLE a (x INTEGER PRIMARY KEY AUTOINCREMENT, y TEXT)",
        f"{BASE}; CREATE INDEX i ON a (y)",
        f"{BASE}; CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END",
        f"{BASE}; CREATE TABLE b (x)",
    ],
)
def test_the_comparison_sees_a_difference(other: str) -> None:
    one, two = connect(":memory:", busy_timeout=0), connect(":memory:", busy_timeout=0)
    one.execute(BASE)
    two.execute(other)
    assert described(one) != described(two)


def test_the_comparison_sees_no_difference_in_layout() -> None:
    one, two = connect(":memory:", busy_timeout=0), connect(":memory:", busy_timeout=0)
    one.execute(BASE)
    two.execute(
        "CREATE TABLE b (\n  x INTEGER PRIMARY KEY, -- A key.\n  y TEXT\n);"
        "ALTER TABLE b RENAME TO a"
    )
    assert described(one) == described(two)


async def test_a_full_disk_undoes_the_step_and_the_next_start_goes_on(
    open_notes: OpenNotes, tmp_path: Path
) -> None:
    path = tmp_path / "notes.db"
    big = Migration(
        2,
        "big",
        "CREATE TABLE filler (x BLOB); INSERT INTO filler VALUES (zeroblob(4000000));",
    )

    def limited(schema: SchemaConnection) -> None:
        schema.rows("PRAGMA max_page_count = 100")
        migrate.upgrade(schema, (SYNTHETIC[0], big))

    open_notes(path, migrations=SYNTHETIC[:1]).close()
    with opened(path) as connection:
        fill(connection)
        before, schema = contents(connection), described(connection)
    with pytest.raises(DatabaseFullError, match=r"0002_big failed and was undone.*free some"):
        open_notes(path, prepare=limited)
    with opened(path) as connection:
        assert (contents(connection), described(connection)) == (before, schema)
    # The copy is of what is still there.
    assert list(tmp_path.glob("*.bak")) == []
    open_notes(path, migrations=(SYNTHETIC[0], big)).close()
    with opened(path) as connection:
        assert contents(connection, before) == before
