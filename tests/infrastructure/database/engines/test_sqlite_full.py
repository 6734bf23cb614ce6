"""Disks that fill up at the worst moment: while a log is copied, a schema upgraded, a copy made."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from abathur.domain.errors import DatabaseError, DatabaseFullError, MigrationError
from abathur.infrastructure.database.engines import sqlite_commit
from abathur.infrastructure.database.engines.base import SchemaConnection, Session
from abathur.infrastructure.database.engines.sqlite import (
    Connection,
    DriverError,
    passive_checkpoint,
)
from abathur.infrastructure.database.engines.sqlite_engine import SqliteEngine
from abathur.infrastructure.database.migrate import Migration

OpenNotes = Callable[..., SqliteEngine[Session]]

FIRST = Migration(1, "notes", "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL);")
SECOND = Migration(
    2,
    "more",
    "CREATE TABLE more (text TEXT);\n"
    "INSERT INTO more SELECT hex(zeroblob(2000)) FROM notes;\n"
    "ALTER TABLE notes ADD COLUMN size INTEGER;\n",
)
PIECE = "x" * 4000


def add(session: Session, text: str) -> str:
    session.execute("add", text=text)
    return text


def texts(session: Session) -> list[str]:
    return [row["text"] for row in session.fetch("texts")]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """One of two megabytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, check=False).returncode:
        pytest.skip("mounting a small disk is not permitted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill_up(disk: Path, leave: int) -> Path:
    filler = disk / "filler"
    filler.write_bytes(bytes(max(0, shutil.disk_usage(disk).free - leave)))
    return filler


async def test_who_only_reads_can_do_so_without_room_and_what_writes_is_refused(
    open_notes: OpenNotes, disk: Path
) -> None:
    file = disk / "notes.db"
    engine = open_notes(file)
    await engine.write(add, "kept")
    engine.close()
    fill_up(disk, leave=0)
    with pytest.raises(DatabaseFullError):
        open_notes(file)
    onlooker = open_notes(file, require=lambda schema: schema.columns("notes"))
    assert await onlooker.read(texts) == ["kept"]
    assert await onlooker.query("SELECT text FROM notes", ()) == [{"text": "kept"}]
    with pytest.raises(DatabaseFullError, match=r"no space is left for .*notes\.db"):
        await onlooker.write(add, "more")
    with pytest.raises(DatabaseError, match="may only read"):
        await onlooker.read(add, "more")
    (disk / "filler").unlink()
    open_again = open_notes(file)
    await open_again.write(add, "more")
    assert await onlooker.read(texts) == ["kept", "more"]


def missing(schema: SchemaConnection) -> None:
    raise MigrationError(f"`{schema.where}` has another schema")


async def test_a_file_of_another_schema_is_not_read_where_it_can_not_be_brought_up_to_date(
    open_notes: OpenNotes, disk: Path
) -> None:
    open_notes(disk / "notes.db").close()
    fill_up(disk, leave=0)
    with pytest.raises(DatabaseFullError):
        open_notes(disk / "notes.db", require=missing)


async def test_a_disk_that_is_full_when_the_log_is_copied_loses_nothing(
    open_notes: OpenNotes, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed: list[Exception] = []

    def full(connection: Connection) -> bool:
        fill_up(disk, leave=0)
        try:
            return passive_checkpoint(connection)
        except DriverError as error:
            failed.append(error)
            raise

    monkeypatch.setattr(sqlite_commit, "passive_checkpoint", full)
    monkeypatch.setattr(sqlite_commit, "CHECKPOINT_PAGES", 60)
    engine = open_notes(disk / "notes.db", migrations=(FIRST,))
    told: list[str] = []
    # Copying comes after the answer, so one more write may find the disk full.
    with suppress(DatabaseFullError):
        while not failed:
            told.append(await engine.write(add, f"{len(told)}" + PIECE))
    assert len(failed) == 1
    assert await engine.read(texts) == told
    monkeypatch.undo()
    (disk / "filler").unlink()
    told.append(await engine.write(add, f"{len(told)}" + PIECE))
    assert await engine.read(texts) == told
    assert await engine.check(full=True) == []
    engine.close()


@pytest.mark.parametrize("leave", [100_000, 700_000])
async def test_a_disk_that_is_full_while_a_schema_is_upgraded_leaves_the_older_one(
    open_notes: OpenNotes, disk: Path, leave: int
) -> None:
    """With the smaller rest there is no room for the copy, with the other one for the step."""
    path = disk / "notes.db"
    engine = open_notes(path, migrations=(FIRST,))
    for number in range(120):
        await engine.write(add, f"{number}" + PIECE)
    engine.close()
    filler = fill_up(disk, leave)
    with pytest.raises(DatabaseFullError, match=r"no space is left for .*notes\.db"):
        open_notes(path, migrations=(FIRST, SECOND))
    assert list(disk.glob(".*")) == []
    older = open_notes(path, migrations=(FIRST,))
    assert len(await older.read(texts)) == 120
    assert await older.check(full=True) == []
    older.close()
    filler.unlink()
    for copy in disk.glob("*.bak"):
        copy.unlink()
    upgraded = open_notes(path, migrations=(FIRST, SECOND))
    assert await upgraded.query("SELECT count(*) AS n FROM more", []) == [{"n": 120}]
    upgraded.close()


async def test_a_copy_that_finds_no_room_leaves_nothing_behind(
    open_notes: OpenNotes, disk: Path, tmp_path: Path
) -> None:
    engine = open_notes(tmp_path / "notes.db", migrations=(FIRST,))
    for number in range(60):
        await engine.write(add, f"{number}" + PIECE)
    fill_up(disk, leave=100_000)
    with pytest.raises(DatabaseError, match=r"no space is left for .*copy\.db"):
        await engine.backup(disk / "copy.db")
    assert [path.name for path in disk.iterdir()] == ["filler"]
    assert len(await engine.read(texts)) == 60
