"""Bringing a schema up to date, and refusing what can't be."""

import shutil
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from abathur.domain.errors import (
    DatabaseCorruptError,
    DatabaseTooNewError,
    MigrationError,
    OlderDatabaseError,
)
from abathur.infrastructure.database import Database, migrate
from abathur.infrastructure.database.engines.base import SchemaConnection, Session
from abathur.infrastructure.database.engines.sqlite import connect
from abathur.infrastructure.database.engines.sqlite_engine import SqliteEngine
from abathur.infrastructure.database.migrate import Migration

Engine = SqliteEngine[Session]
OpenNotes = Callable[..., Engine]

FIRST = Migration(
    1,
    "notes",
    "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL,\n"
    "  parent INTEGER REFERENCES notes (id) ON DELETE CASCADE);\n",
)
TRIGGER = Migration(
    2,
    "trigger",
    "-- A ; here; and\n"
    "CREATE TRIGGER shout AFTER INSERT ON notes BEGIN\n"
    "  UPDATE notes SET text = text || ';' WHERE id = new.id;\n"
    "  UPDATE notes SET text = upper(text) WHERE id = new.id;\n"
    "END;\n"
    "/* one more; */ INSERT INTO notes (text) VALUES ('a;b');\n-- The end; really\n",
)


async def texts(engine: Engine) -> list[str]:
    return [row["text"] for row in await engine.query("SELECT text FROM notes ORDER BY id", ())]


async def versions(engine: Engine) -> list[int]:
    sql = "SELECT version FROM schema_migrations ORDER BY version"
    return [row["version"] for row in await engine.query(sql, ())]


async def test_what_has_not_run_yet_is_run(open_notes: OpenNotes, tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    open_notes(path, migrations=(FIRST,)).close()
    engine = open_notes(path, migrations=(FIRST, TRIGGER))
    assert await versions(engine) == [1, 2]
    assert await texts(engine) == ["A;B;"]
    applied = await engine.query("SELECT applied_at FROM schema_migrations", ())
    assert all(len(row["applied_at"]) == 27 for row in applied)


async def test_a_step_that_fails_is_undone_as_a_whole(
    open_notes: OpenNotes, tmp_path: Path
) -> None:
    path = tmp_path / "notes.db"
    wrong = Migration(2, "wrong", "INSERT INTO notes (text) VALUES ('x'); INSERT INTO nothing;")
    with pytest.raises(MigrationError, match=r"0002_wrong failed and was undone.*syntax error"):
        open_notes(path, migrations=(FIRST, wrong))
    engine = open_notes(path, migrations=(FIRST,))
    assert await versions(engine) == [1]
    assert await texts(engine) == []


async def test_rebuilding_a_table_keeps_the_rows_that_point_to_it(
    open_notes: OpenNotes, tmp_path: Path
) -> None:
    rebuild = Migration(
        2,
        "rebuild",
        "CREATE TABLE other (id INTEGER PRIMARY KEY, text TEXT NOT NULL,"
        " parent INTEGER REFERENCES notes (id) ON DELETE CASCADE);"
        "INSERT INTO other SELECT id, text, parent FROM notes;"
        "DROP TABLE notes; ALTER TABLE other RENAME TO notes;",
    )
    path = tmp_path / "notes.db"
    first = open_notes(path, migrations=(FIRST,))
    await first.write(lambda session: session.execute("add", text="a"))
    await first.write(lambda session: session.execute("add_child", text="b", parent=1))
    first.close()
    engine = open_notes(path, migrations=(FIRST, rebuild))
    assert await texts(engine) == ["a", "b"]
    assert await engine.write(lambda session: session.fetch("foreign_keys")) == [
        {"foreign_keys": 1}
    ]


async def test_a_step_that_leaves_an_orphan_is_undone(
    open_notes: OpenNotes, tmp_path: Path
) -> None:
    orphan = Migration(2, "orphan", "INSERT INTO notes (text, parent) VALUES ('b', 9);")
    with pytest.raises(MigrationError, match="1 row of notes would point to nothing in notes"):
        open_notes(tmp_path / "notes.db", migrations=(FIRST, orphan))


async def test_orphans_that_were_there_before_are_in_no_steps_way(
    open_notes: OpenNotes, tmp_path: Path
) -> None:
    """They are found and fixed by what opens the database, so by what upgrades it."""
    path = tmp_path / "notes.db"
    open_notes(path, migrations=(FIRST,)).close()
    connection = connect(str(path), busy_timeout=1)
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute("INSERT INTO notes (text, parent) VALUES ('a', 9)")
    connection.close()
    more = Migration(2, "more", "CREATE TABLE more (text TEXT);")
    worse = Migration(3, "worse", "INSERT INTO notes (text, parent) VALUES ('b', 8);")
    engine = open_notes(path, migrations=(FIRST, more))
    assert await texts(engine) == ["a"]
    engine.close()
    with pytest.raises(MigrationError, match="1 row of notes would point to nothing in notes"):
        open_notes(path, migrations=(FIRST, more, worse))


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        ("CREATE TABLE a (b);\nCREATE TABLE c (d)", "the last statement has no end"),
        ("CREATE TABLE a (b);\nCOMMIT;", "COMMIT can't stand"),
        ("vacuum;", "VACUUM can't stand"),
    ],
)
def test_all_files_are_checked_before_the_first_runs(
    open_notes: OpenNotes, tmp_path: Path, sql: str, problem: str
) -> None:
    path = tmp_path / "notes.db"
    with pytest.raises(MigrationError, match=problem):
        open_notes(path, migrations=(FIRST, Migration(2, "wrong", sql)))
    connection = connect(str(path), busy_timeout=1)
    assert connection.execute("SELECT name FROM sqlite_schema").fetchall() == []
    connection.close()


def test_an_edited_migration_is_refused(open_notes: OpenNotes, tmp_path: Path) -> None:
    open_notes(tmp_path / "notes.db", migrations=(FIRST,)).close()
    edited = Migration(1, "notes", FIRST.sql + "-- Only a comment.\n")
    with pytest.raises(MigrationError, match="0001_notes was changed"):
        open_notes(tmp_path / "notes.db", migrations=(edited,))


def test_a_newer_database_is_refused(open_notes: OpenNotes, tmp_path: Path) -> None:
    open_notes(tmp_path / "notes.db", migrations=(FIRST, TRIGGER)).close()
    with pytest.raises(DatabaseTooNewError, match="has schema 2, this Abathur knows 1; update"):
        open_notes(tmp_path / "notes.db", migrations=(FIRST,))


def test_a_gap_in_what_ran_is_refused(open_notes: OpenNotes, tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    open_notes(path, migrations=(FIRST, TRIGGER)).close()
    connection = connect(str(path), busy_timeout=1)
    connection.execute("DELETE FROM schema_migrations WHERE version = 1")
    connection.close()
    with pytest.raises(MigrationError, match="lacks migration 0001_notes"):
        open_notes(path, migrations=(FIRST, TRIGGER))


@pytest.mark.parametrize(
    "names", [["0001_a.sql", "0003_c.sql"], ["0002_b.sql"], ["0001_a.sql", "0001_b.sql"], ["a.sql"]]
)
def test_files_are_numbered_without_gaps(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).write_text("SELECT 1;")
    with pytest.raises(MigrationError, match=r"should be 000\d_what\.sql"):
        migrate.read(tmp_path)


async def test_an_older_abathurs_file_is_left_to_the_conversion(
    open_notes: OpenNotes, tmp_path: Path
) -> None:
    path = tmp_path / "abathur.db"
    connection = connect(str(path), busy_timeout=1)
    connection.execute("CREATE TABLE tasks (id, status, input_data)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(OlderDatabaseError, match="older Abathur"):
        open_notes(path)
    assert path.read_bytes() == before


async def test_another_programs_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "music.db"
    connection = connect(str(path), busy_timeout=1)
    connection.execute("CREATE TABLE songs (id INTEGER)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(DatabaseCorruptError, match="another program"):
        await Database(path).initialize()
    assert path.read_bytes() == before


async def test_a_dated_copy_is_made_before_an_upgrade(
    open_notes: OpenNotes, tmp_path: Path
) -> None:
    path = tmp_path / "notes.db"
    engine = open_notes(path, migrations=(FIRST,))
    assert list(tmp_path.glob("*.bak")) == []
    await engine.write(lambda session: session.execute("add", text="a"))
    await engine.backup(tmp_path / "older")
    engine.close()
    for year in ("2020", "2021", "2022"):
        shutil.copy(tmp_path / "older", tmp_path / f"notes.db.schema-1.{year}0101T000000Z.bak")
    (tmp_path / "older").unlink()
    others = not_ours(tmp_path)
    open_notes(path, migrations=(FIRST, TRIGGER)).close()
    names = {file.name for file in tmp_path.glob("*.bak*")}
    assert others <= names
    *kept, made = sorted(names - others)
    assert kept == [f"notes.db.schema-1.{year}0101T000000Z.bak" for year in ("2021", "2022")]
    copy = open_notes(tmp_path / made, migrations=(FIRST,))
    assert await texts(copy) == ["a"]
    assert not list(tmp_path.glob(".*"))


def not_ours(folder: Path) -> set[str]:
    """Makes files whose names are nearly those of copies."""
    (folder / "notes.db.schema-1.20200101T000001Z.bak").write_text("of somebody else's program")
    (folder / "notes.db.mine.bak").write_text("mine")
    (folder / "notes.db.schema-1.20200101T000002Z.bak.gz").write_text("compressed by hand")
    (folder / "notes.db.schema-1.20200101T000003Z.bak").mkdir()
    (folder / "other-notes.db.schema-1.20200101T000000Z.bak").write_bytes(b"SQLite format 3\0")
    (folder / "notes.db.20200101T000000Z.bak").write_bytes(b"SQLite format 3\0")
    (folder / "notes.db.schema-1.20200101T000004Z.bak").symlink_to("notes.db")
    return {file.name for file in folder.glob("*.bak*")} - {
        f"notes.db.schema-1.{year}0101T000000Z.bak" for year in ("2020", "2021", "2022")
    }


async def test_a_migration_that_fails_at_every_start_pushes_no_copy_out(
    open_notes: OpenNotes, tmp_path: Path
) -> None:
    path = tmp_path / "notes.db"
    engine = open_notes(path, migrations=(FIRST,))
    await engine.write(lambda session: session.execute("add", text="a"))
    engine.close()
    wrong = Migration(2, "wrong", "INSERT INTO nothing VALUES (1);")
    with pytest.raises(MigrationError, match="0002_wrong failed and was undone"):
        open_notes(path, migrations=(FIRST, wrong))
    assert list(tmp_path.glob("*.bak")) == []
    with pytest.raises(MigrationError):
        open_notes(path, migrations=(FIRST, TRIGGER, Migration(3, "wrong", wrong.sql)))
    # What the first step changed is in no other place.
    assert len(list(tmp_path.glob("*.bak"))) == 1


async def test_an_upgrade_is_told_through_logging(
    open_notes: OpenNotes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    path = tmp_path / "notes.db"
    engine = open_notes(path, migrations=(FIRST,))
    await engine.write(lambda session: session.execute("add", text="a"))
    engine.close()
    assert caplog.messages == []
    open_notes(path, migrations=(FIRST, TRIGGER)).close()
    (copy,) = tmp_path.glob("*.bak")
    assert caplog.messages == [f"upgraded `{path}` to schema 2; the previous state is in `{copy}`"]
    open_notes(path, migrations=(FIRST, TRIGGER)).close()
    assert len(caplog.messages) == 1


def test_nothing_is_copied_when_nothing_can_be_lost(open_notes: OpenNotes, tmp_path: Path) -> None:
    open_notes(tmp_path / "notes.db", migrations=(FIRST,)).close()
    open_notes(tmp_path / "notes.db", migrations=(FIRST, TRIGGER)).close()
    assert list(tmp_path.glob("*.bak")) == []


def test_a_current_schema_costs_one_select(open_notes: OpenNotes, tmp_path: Path) -> None:
    class Counting:
        def __init__(self, schema: SchemaConnection) -> None:
            self._schema = schema
            self.where = schema.where

        def rows(self, sql: str) -> object:
            asked.append(sql)
            return self._schema.rows(sql)

    def prepare(schema: SchemaConnection) -> None:
        counting: SchemaConnection = Counting(schema)  # type: ignore[assignment]
        migrate.upgrade(counting, (FIRST, TRIGGER))

    asked: list[str] = []
    open_notes(tmp_path / "notes.db", migrations=(FIRST, TRIGGER)).close()
    open_notes(tmp_path / "notes.db", prepare=prepare)
    assert len(asked) == 1


def test_nothing_is_printed(
    open_notes: OpenNotes, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    open_notes(tmp_path / "notes.db", prepare=partial(migrate.upgrade, migrations=(FIRST, TRIGGER)))
    sys.stdout.flush()
    assert capfd.readouterr() == ("", "")
