"""A database that is copied into another one: all of it is there, or nothing."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abathur.domain.errors import (
    DatabaseCorruptError,
    DatabaseError,
    DatabaseFullError,
    IntegrityViolation,
    InvalidInputError,
    MigrationError,
    NotFoundError,
    SwarmError,
)
from abathur.domain.problems import Problem
from abathur.infrastructure.database import Database, migrate
from abathur.infrastructure.database.copying import bulk, copy
from abathur.infrastructure.database.engines.base import SchemaConnection
from abathur.infrastructure.database.engines.bulk import Bulk, Loading
from abathur.infrastructure.database.engines.sqlite import Connection, connect
from abathur.infrastructure.database.engines.sqlite_bulk import SqliteBulk
from abathur.infrastructure.database.transfer import Digest, encoded
from abathur.ports.moving import Copied
from tests.infrastructure.database.legacy.older import virtual
from tests.infrastructure.database.schemas import contents, described, fill

NOW = datetime(2030, 1, 1, tzinfo=UTC)
STOPPED = "UPDATE workers SET stopped_at = '2030-01-01T00:00:00.000000Z'"

Value = st.none() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text()
Row = st.tuples(Value | st.binary(), Value | st.binary())


@contextmanager
def opened(path: Path) -> Iterator[Connection]:
    connection = connect(str(path), busy_timeout=1)
    yield connection
    connection.close()


def changed(path: Path, sql: str) -> None:
    with opened(path) as connection:
        connection.execute(sql).fetchall()


def initialized(path: Path) -> Path:
    async def initialize() -> None:
        async with Database(path):
            return

    asyncio.run(initialize())
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Has two rows in every table, and none of its workers lives."""
    path = initialized(tmp_path / "source" / "queue.db")
    with opened(path) as connection:
        fill(connection)
        connection.execute(STOPPED)
    return path


def nobody(_: object) -> bool:
    return False


def copied(source: Path, target: Path, is_alive: Any = nobody) -> Copied:
    return copy(bulk(str(source)), bulk(str(target)), is_alive, NOW)


def names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


def test_everything_is_copied(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "target.db"
    told = copied(source, target)
    with opened(source) as there, opened(target) as here:
        assert contents(here) == contents(there)
        assert described(here) == described(there)
        assert {table.name: table.rows for table in told.tables} == {
            name: len(rows) for name, rows in contents(there).items()
        }
        assert here.pragma("journal_mode") == "wal"
    assert all(table.rows for table in told.tables)
    assert (told.source, told.target) == (str(source), str(target))
    assert not [name for name in names(tmp_path) if name.startswith(".")]
    assert problems(target) == problems(source)


def problems(path: Path) -> list[Problem]:
    async def check() -> list[Problem]:
        async with Database(path) as db:
            return await db.check(full=True)

    return asyncio.run(check())


def test_the_same_contents_have_the_same_hashes_wherever_they_are(
    source: Path, tmp_path: Path
) -> None:
    first = copied(source, tmp_path / "first.db")
    again = copied(tmp_path / "first.db", tmp_path / "again.db")
    assert again.tables == first.tables


def test_an_empty_database_is_filled_in_place(source: Path, tmp_path: Path) -> None:
    empty = initialized(tmp_path / "empty" / "queue.db")
    (tmp_path / "zero.db").touch()
    for target in (empty, tmp_path / "zero.db"):
        inode = target.stat().st_ino
        copied(source, target)
        assert target.stat().st_ino == inode
        with opened(source) as there, opened(target) as here:
            assert contents(here) == contents(there)


def test_numbers_go_on_after_the_highest_that_was_given(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "target.db"
    changed(source, "DELETE FROM metrics WHERE id = (SELECT max(id) FROM metrics)")
    copied(source, target)
    numbers = []
    for path in (source, target):
        with opened(path) as connection:
            connection.execute(
                "INSERT INTO metrics (timestamp, metric_name, metric_value) VALUES ('', '', 1)"
            )
            numbers.append(connection.last_insert_rowid())
    assert numbers[0] == numbers[1]


def test_a_table_that_a_migration_adds_comes_along(tmp_path: Path) -> None:
    """With rows that point to it, and to themselves, from the first to the last."""
    later = LATER
    old = initialized(tmp_path / "old.db")
    prepare = partial(_upgrade_to, later)
    changed(old, later.sql)
    changed(old, f"INSERT INTO schema_migrations VALUES {_record(later)}")
    changed(
        old,
        "PRAGMA foreign_keys = OFF; INSERT INTO a_first VALUES ('x', 'z'); "
        "INSERT INTO z_last VALUES ('z', 'y'), ('y', NULL)",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrate, "load", lambda _: (*REAL, later))
        told = copy(SqliteBulk(old, prepare), SqliteBulk(tmp_path / "new.db", prepare), nobody, NOW)
    rows = {table.name: table.rows for table in told.tables}
    assert (rows["a_first"], rows["z_last"]) == (1, 2)
    with opened(old) as there, opened(tmp_path / "new.db") as here:
        assert contents(here) == contents(there)


REAL = migrate.load("sqlite")
LATER = migrate.Migration(
    len(REAL) + 1,
    "later",
    "CREATE TABLE a_first (id TEXT PRIMARY KEY, last TEXT REFERENCES z_last (id)); "
    "CREATE TABLE z_last (id TEXT PRIMARY KEY, other TEXT REFERENCES z_last (id));",
)


def _record(migration: migrate.Migration) -> str:
    return f"({migration.version}, '{migration.name}', '{migration.checksum}', '')"


def _upgrade_to(later: migrate.Migration, schema: SchemaConnection) -> None:
    migrate.upgrade(schema, (*REAL, later))


# --- refusals -----------------------------------------------------------------------------


def test_a_target_with_rows_is_refused_and_left_alone(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "target.db"
    copied(source, target)
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear database,\n" * 400)
    songs = tmp_path / "songs.db"
    changed(songs, "CREATE TABLE songs (id INTEGER)")
    (tmp_path / "folder").mkdir()
    for path, kind, words in (
        (target, InvalidInputError, "has rows already"),
        (letter, DatabaseCorruptError, "isn't a SQLite database"),
        (songs, DatabaseCorruptError, "another program"),
        (tmp_path / "folder", DatabaseError, "is a folder"),
        (tmp_path / "no" / "queue.db", InvalidInputError, "doesn't exist"),
        (source, InvalidInputError, "has rows already"),
    ):
        before = path.read_bytes() if path.is_file() else None
        with pytest.raises(kind, match=words):
            copied(source, path)
        assert (path.read_bytes() if path.is_file() else None) == before


def test_a_source_that_is_none_is_refused(source: Path, tmp_path: Path) -> None:
    songs = tmp_path / "songs.db"
    changed(songs, "CREATE TABLE songs (id INTEGER)")
    vectors = tmp_path / "vectors.db"
    changed(vectors, "CREATE TABLE tasks (id, status, input_data)")
    virtual(vectors)
    older = tmp_path / "older.db"
    copied(source, older)
    changed(older, "DELETE FROM schema_migrations WHERE version > 0")
    newer = tmp_path / "newer.db"
    copied(source, newer)
    changed(newer, "INSERT INTO schema_migrations VALUES (9000, 'later', '', '')")
    strange = tmp_path / "strange.db"
    copied(source, strange)
    changed(strange, "CREATE TABLE mine (x)")
    wider = tmp_path / "wider.db"
    copied(source, wider)
    changed(wider, "ALTER TABLE tasks ADD COLUMN colour TEXT")
    for path, kind, words in (
        (tmp_path / "none.db", NotFoundError, "there is no database"),
        (songs, MigrationError, "isn't a database of this Abathur"),
        (vectors, MigrationError, "if it is an older one's"),
        (older, MigrationError, r"has schema 0.*db migrate"),
        (newer, DatabaseError, "update Abathur"),
        (strange, MigrationError, "differ in table mine"),
        (wider, MigrationError, "differ in column colour of tasks"),
    ):
        with pytest.raises(kind, match=words):
            copied(path, tmp_path / "target.db")
        assert not (tmp_path / "target.db").exists()
        assert not [name for name in names(tmp_path) if name.startswith(".")]


def test_a_place_that_can_be_none_is_refused() -> None:
    for place in ("", ".", ":memory:"):
        with pytest.raises(InvalidInputError, match="give a file"):
            bulk(place)


@pytest.mark.parametrize(
    ("alive", "lease", "refused"),
    [
        (True, -1, True),
        (False, 1, False),
        (None, 1, True),  # on another host, and heard of lately
        (None, -1, False),
    ],
)
def test_a_source_that_a_swarm_works_on_is_refused(
    source: Path, tmp_path: Path, alive: bool | None, lease: int, refused: bool
) -> None:
    until = (NOW + timedelta(seconds=lease)).isoformat()
    changed(source, f"UPDATE workers SET stopped_at = NULL, lease_until = '{until}'")
    target = tmp_path / "target.db"
    if refused:
        with pytest.raises(SwarmError, match="stop it first"):
            copied(source, target, lambda _: alive)
    else:
        copied(source, target, lambda _: alive)
    assert target.exists() != refused


def test_rows_that_point_to_nothing_are_refused(source: Path, tmp_path: Path) -> None:
    changed(source, "PRAGMA foreign_keys = OFF; DELETE FROM workers")
    with pytest.raises(IntegrityViolation, match="db check"):
        copied(source, tmp_path / "target.db")
    assert names(tmp_path) == {"source"}


def test_text_that_is_none_is_refused(source: Path, tmp_path: Path) -> None:
    changed(source, "UPDATE tasks SET prompt = CAST(x'ff41' AS TEXT)")
    with pytest.raises(DatabaseCorruptError, match=r"text in tasks that isn't UTF-8"):
        copied(source, tmp_path / "target.db")
    assert names(tmp_path) == {"source"}


# --- faults -------------------------------------------------------------------------------


class Faulty:
    """A target that doesn't keep what it is given."""

    def __init__(self, real: Bulk, sql: str) -> None:
        self._real = real
        self._sql = sql

    def reading(self) -> Any:
        return self._real.reading()

    @contextmanager
    def loading(self) -> Iterator[Loading]:
        with self._real.loading() as rows:
            check = rows.check_keys

            def spoil() -> None:
                check()
                rows._connection.execute(self._sql)  # type: ignore[attr-defined]

            rows.check_keys = spoil  # type: ignore[method-assign]
            yield rows


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM run_events WHERE sequence = 102",
        "UPDATE tasks SET prompt = prompt || ' ' WHERE fence = 101",
        "UPDATE workers SET pid_started_at = pid_started_at + 1e-9",
        "UPDATE document_index SET embedding_blob = x'00'",
        "INSERT INTO metrics (timestamp, metric_name, metric_value) VALUES ('', '', 1)",
    ],
)
@pytest.mark.parametrize("is_new", [True, False])
def test_a_target_that_gives_back_other_rows_is_not_left_behind(
    source: Path, tmp_path: Path, sql: str, is_new: bool
) -> None:
    target = tmp_path / "target.db"
    if not is_new:
        initialized(target)
    with pytest.raises(DatabaseError, match="gives back other rows"):
        copy(bulk(str(source)), Faulty(bulk(str(target)), sql), nobody, NOW)
    if is_new:
        assert names(tmp_path) == {"source"}
    else:
        with opened(target) as connection:
            assert not any(contents(connection).values())


def test_a_full_disk_leaves_nothing_behind(source: Path, tmp_path: Path) -> None:
    def limited(schema: SchemaConnection) -> None:
        migrate.upgrade(schema, REAL)
        schema.rows("PRAGMA max_page_count = 60")

    changed(source, "UPDATE tasks SET prompt = hex(zeroblob(1000000))")
    with pytest.raises(DatabaseFullError, match=r"target\.db"):
        copy(bulk(str(source)), SqliteBulk(tmp_path / "target.db", limited), nobody, NOW)
    assert names(tmp_path) == {"source"}


@pytest.mark.parametrize("is_new", [True, False])
def test_a_killed_copy_is_never_taken_for_one(source: Path, tmp_path: Path, is_new: bool) -> None:
    target = tmp_path / "target.db"
    if not is_new:
        initialized(target)
    script = Path(__file__).with_name("die_copying.py")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, script, source, target], check=False, env=env)
    assert done.returncode == -9
    if is_new:
        assert not target.exists()
    else:
        with opened(target) as connection:
            assert not any(contents(connection).values())
    copied(source, target)
    with opened(source) as there, opened(target) as here:
        assert contents(here) == contents(there)


def test_writers_go_on_and_what_they_write_stays_out(source: Path, tmp_path: Path) -> None:
    class Interrupted(SqliteBulk):
        @contextmanager
        def loading(self) -> Iterator[Any]:
            changed(source, "DELETE FROM metrics; UPDATE tasks SET prompt = 'later'")
            with super().loading() as rows:
                yield rows

    with opened(source) as connection:
        before = contents(connection)
    target = Interrupted(tmp_path / "target.db", partial(migrate.upgrade, migrations=REAL))
    copy(bulk(str(source)), target, nobody, NOW)
    with opened(tmp_path / "target.db") as here, opened(source) as there:
        assert contents(here) == before
        assert contents(there) != before


# --- hashes -------------------------------------------------------------------------------


@given(st.lists(Row), st.randoms())
def test_a_digest_takes_rows_in_any_order(rows: list[Any], chance: Any) -> None:
    shuffled = [*rows]
    chance.shuffle(shuffled)
    assert digest(rows) == digest(shuffled)


@given(st.lists(Row), st.lists(Row))
def test_other_rows_have_another_digest(one: list[Any], two: list[Any]) -> None:
    # By their text, as 1, 1.0 and True are equal to Python.
    if sorted(map(repr, one)) != sorted(map(repr, two)):
        assert digest(one) != digest(two)


@given(Row, Row)
def test_other_values_are_encoded_otherwise(one: Any, two: Any) -> None:
    assert (encoded(one) == encoded(two)) == (repr(one) == repr(two))


def digest(rows: list[Any]) -> tuple[int, str]:
    made = Digest()
    assert list(made.along(rows)) == rows
    return made.rows, made.hex
