"""Saying what an upgrade would do leaves no trace, in whatever state the files are."""

import errno
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from abathur.domain.audit import Action, AuditEntry
from abathur.domain.errors import (
    DatabaseCorruptError,
    DatabaseError,
    DatabaseTooNewError,
    MigrationError,
)
from abathur.infrastructure.database import Database
from abathur.infrastructure.database.engines.sqlite import checkpoint_on_close, connect
from abathur.ports.moving import Upgrade
from abathur.ports.stores import Stores

StartChild = Callable[..., "subprocess.Popen[str]"]

OLDER = """
CREATE TABLE tasks (id TEXT PRIMARY KEY, prompt TEXT NOT NULL, agent_type TEXT, priority INTEGER,
  status TEXT, input_data TEXT, submitted_at TIMESTAMP, last_updated_at TIMESTAMP);
INSERT INTO tasks VALUES ('a', 'Do it', 'general', 5, 'pending', '{}', '2025-01-01T00:00:00',
  '2025-01-01T00:00:00');
"""

Trace = dict[str, tuple[int, int, bytes]]


def trace(folder: Path) -> Trace:
    """All that could tell that somebody was there, but for the index of a log in use."""
    return {
        file.name: (file.stat().st_ino, file.stat().st_mtime_ns, file.read_bytes())
        for file in folder.iterdir()
        if not file.name.endswith("-shm")
    }


async def planned(path: Path) -> Upgrade:
    before, names = trace(path.parent), {*path.parent.iterdir()}
    try:
        return await Database(path).planned_upgrade()
    finally:
        assert trace(path.parent) == before
        assert {*path.parent.iterdir()} == names


def register(stores: Stores) -> None:
    stores.audit.append(
        AuditEntry(
            timestamp=datetime(2030, 1, 1, tzinfo=UTC),
            task_id="a",
            action_type=Action.TASK_SUBMITTED,
            actor="test",
        )
    )


async def made(path: Path) -> Path:
    async with Database(path):
        return path


async def test_a_file_that_is_not_there_would_be_made(tmp_path: Path) -> None:
    plan = await planned(tmp_path / "queue.db")
    assert (plan.action, plan.before) == ("create", 0)
    assert plan.steps[0] == "0001_first_schema"


async def test_an_empty_file_would_be_filled(tmp_path: Path) -> None:
    (tmp_path / "queue.db").touch()
    assert (await planned(tmp_path / "queue.db")).action == "create"


async def test_in_memory_it_would_be_made() -> None:
    assert (await Database(":memory:").planned_upgrade()).action == "create"


async def test_one_that_is_up_to_date_stays(tmp_path: Path) -> None:
    path = await made(tmp_path / "queue.db")
    plan = await planned(path)
    assert (plan.action, plan.steps, plan.before) == ("nothing", (), plan.after)


async def test_one_that_is_in_use_is_looked_at_with_its_log(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    async with Database(path) as db:
        await db.write(register)
        assert (tmp_path / "queue.db-wal").stat().st_size > 0
        assert (await planned(path)).action == "nothing"


async def test_one_whose_user_was_killed_is_looked_at_with_its_log(
    start_child: StartChild, tmp_path: Path
) -> None:
    path = tmp_path / "queue.db"
    child = start_child("acknowledge", path)
    assert child.stdout is not None
    child.stdout.readline()
    child.kill()
    child.wait()
    assert (await planned(path)).action == "nothing"


async def test_a_log_without_its_index_is_read_elsewhere(tmp_path: Path) -> None:
    # All that was ever written is in the log.
    (tmp_path / "used").mkdir()
    path = tmp_path / "used" / "queue.db"
    async with Database(path) as db:
        await db.write(register)
        other = tmp_path / "copied"
        other.mkdir()
        for name in ("queue.db", "queue.db-wal"):
            shutil.copy(path.with_name(name), other)
    assert (await planned(other / "queue.db")).action == "nothing"


async def test_a_log_that_can_not_be_copied_elsewhere_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "used").mkdir()
    path = tmp_path / "used" / "queue.db"
    await made(path)
    path.with_name("queue.db-wal").write_bytes(bytes(100))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(DatabaseError, match=r"no copy can be made .*set TMPDIR"):
        await planned(path)
    tmp_path.joinpath("nowhere").mkdir()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", full)
    with pytest.raises(DatabaseError, match=r"No space left on device.*set TMPDIR"):
        await planned(path)


async def test_a_hot_journal_is_rolled_back_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "used" / "queue.db"
    await made(path)
    connection = connect(str(path), busy_timeout=1)
    connection.execute("PRAGMA cache_size = 1; PRAGMA journal_mode = DELETE").fetchall()
    connection.execute("BEGIN")
    connection.execute("DELETE FROM schema_migrations")
    connection.execute("CREATE TABLE filler (x); INSERT INTO filler VALUES (zeroblob(4000000))")
    other = tmp_path / "copied"
    other.mkdir()
    for name in ("queue.db", "queue.db-journal"):
        shutil.copy(path.with_name(name), other)
    connection.close()
    assert (await planned(other / "queue.db")).action == "nothing"


async def test_an_older_abathurs_file_would_be_converted(tmp_path: Path) -> None:
    path = tmp_path / "abathur.db"
    execute(path, OLDER)
    plan = await planned(path)
    assert (plan.action, plan.before, plan.steps) == ("convert", 0, ())
    async with Database(path) as db:
        assert db.last_upgrade.action == "convert"
        kept = db.last_upgrade.copy
    assert kept is not None
    assert kept.is_file()
    async with Database(path) as again:
        assert again.last_upgrade.action == "nothing"


async def test_what_would_be_refused_is_refused(tmp_path: Path) -> None:
    newer = await made(tmp_path / "newer" / "queue.db")
    edited = await made(tmp_path / "edited" / "queue.db")
    execute(newer, "INSERT INTO schema_migrations VALUES (9000, 'later', '', '')")
    execute(edited, "UPDATE schema_migrations SET checksum = 'x'")
    songs = tmp_path / "songs" / "songs.db"
    songs.parent.mkdir()
    execute(songs, "CREATE TABLE songs (id INTEGER)")
    text = tmp_path / "text" / "letter.txt"
    text.parent.mkdir()
    text.write_text("Dear database,\n" * 400)
    for path, kind, words in (
        (newer, DatabaseTooNewError, "update Abathur"),
        (edited, MigrationError, "reinstall Abathur"),
        (songs, DatabaseCorruptError, "name another file"),
        (text, DatabaseCorruptError, "name another file"),
    ):
        with pytest.raises(kind, match=words):
            await planned(path)


async def test_a_folder_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="is a folder"):
        await Database(tmp_path).planned_upgrade()


def execute(path: Path, sql: str) -> None:
    connection = connect(str(path), busy_timeout=1)
    connection.execute(sql)
    checkpoint_on_close(connection)
    connection.close()
