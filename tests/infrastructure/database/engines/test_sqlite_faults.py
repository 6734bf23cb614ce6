"""Full disks, damaged files and missing rights: typed errors, and nothing is lost."""

import asyncio
import fcntl
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from abathur.domain.errors import (
    DatabaseBusyError,
    DatabaseCorruptError,
    DatabaseError,
    DatabaseFullError,
)
from abathur.infrastructure.database import Database, migrate
from abathur.infrastructure.database.engines.base import SchemaConnection, Session
from abathur.infrastructure.database.engines.sqlite import connect
from abathur.infrastructure.database.engines.sqlite_engine import SqliteEngine
from abathur.infrastructure.database.migrate import Migration

Engine = SqliteEngine[Session]
OpenNotes = Callable[..., Engine]
StartChild = Callable[..., "subprocess.Popen[str]"]

NOTES = Migration(1, "notes", "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL);")


def add(session: Session, text: str) -> str:
    session.execute("add", text=text)
    return text


def texts(session: Session) -> list[str]:
    return [row["text"] for row in session.fetch("texts")]


def limited(schema: SchemaConnection) -> None:
    migrate.upgrade(schema, [NOTES])
    schema.rows("PRAGMA max_page_count = 20")


async def test_only_the_writes_that_found_space_are_told_success(
    open_notes: OpenNotes, tmp_path: Path
) -> None:
    engine = open_notes(tmp_path / "notes.db", prepare=limited)
    await engine.write(add, "before")
    began, go_on = threading.Event(), threading.Event()

    def hold(session: Session) -> None:
        began.set()
        go_on.wait(30)

    holding = engine.write(hold)
    await asyncio.to_thread(began.wait, 30)
    writes = [engine.write(add, f"{n}" + "x" * (n % 8) * 8000) for n in range(64)]
    go_on.set()
    await holding
    results = await asyncio.gather(*writes, return_exceptions=True)
    told = [result for result in results if isinstance(result, str)]
    failures = [result for result in results if not isinstance(result, str)]
    assert told
    assert failures
    assert {type(failure) for failure in failures} == {DatabaseFullError}
    assert await engine.read(texts) == ["before", *told]


async def test_work_goes_on_when_there_is_space_again(
    open_notes: OpenNotes, tmp_path: Path
) -> None:
    engine = open_notes(tmp_path / "notes.db", prepare=limited)
    await engine.write(add, "before")
    with pytest.raises(DatabaseFullError, match=r"notes\.db.*free some"):
        await engine.write(add, "x" * 200_000)
    await engine.write(lambda session: session.fetch("more_pages"))
    await engine.write(add, "x" * 200_000)
    assert len(await engine.read(texts)) == 2
    assert await engine.check(full=True) == []


async def test_a_use_case_that_ignores_a_full_disk_is_not_told_success(
    open_notes: OpenNotes, tmp_path: Path
) -> None:
    engine = open_notes(tmp_path / "notes.db", prepare=limited)

    def stubborn(session: Session) -> str:
        add(session, "first")
        for _ in range(3):
            try:
                add(session, "x" * 200_000)
            except DatabaseFullError:
                continue
        return "done"

    try:
        await engine.write(stubborn)
    except DatabaseFullError:
        assert await engine.read(texts) == []
    else:
        assert await engine.read(texts) == ["first"]


def test_a_file_size_limit_is_a_full_disk(start_child: StartChild, tmp_path: Path) -> None:
    out, _ = start_child("limited", tmp_path / "queue.db").communicate(timeout=60)
    lines = out.splitlines()
    assert lines[0].startswith("DatabaseFullError")
    assert lines[1:] == ["['before', 'after']", "[]"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, check=False).returncode:
        pytest.skip("mounting a small disk is not permitted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


async def attempt(engine: Engine, text: str) -> str | None:
    try:
        return await engine.write(add, text)
    except DatabaseFullError:
        return None


async def test_a_full_disk_loses_nothing(open_notes: OpenNotes, small_disk: Path) -> None:
    engine = open_notes(small_disk / "notes.db")
    told: list[str] = []
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * 500_000)
    while (result := await attempt(engine, f"{len(told)}" + "x" * 50_000)) is not None:
        told.append(result)
    assert told
    assert await engine.read(texts) == told
    filler.unlink()
    told.append(await engine.write(add, "again"))
    assert await engine.read(texts) == told
    assert await engine.check(full=True) == []
    engine.close()


def test_a_folder_without_write_permission_is_named(start_child: StartChild) -> None:
    # Not in tmp_path: that one can't be entered by others than its owner.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "shut"
        folder.mkdir()
        folder.chmod(0o555)
        folder.parent.chmod(0o755)
        out, _ = start_child("as-nobody", folder / "queue.db").communicate(timeout=60)
    assert out.startswith("DatabaseReadOnlyError")
    assert str(folder) in out


def test_a_file_without_write_permission_is_named(start_child: StartChild) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "queue.db"
        asyncio.run(make(path))
        path.with_name("queue.db.lock").unlink()
        path.chmod(0o444)
        path.parent.chmod(0o555)
        out, _ = start_child("as-nobody", path).communicate(timeout=60)
        path.parent.chmod(0o755)
    assert out.startswith("DatabaseReadOnlyError")


async def make(path: Path) -> None:
    async with Database(path):
        return


async def test_a_file_of_another_kind_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear database,\n" * 400)
    with pytest.raises(DatabaseCorruptError, match="isn't a SQLite database"):
        await Database(path).initialize()
    assert path.read_text() == "Dear database,\n" * 400


async def test_a_truncated_file_is_called_damaged(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    await make(path)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2 // 4096 * 4096)
    with pytest.raises(DatabaseCorruptError, match="backup"):
        await make(path)


async def test_damage_inside_is_found_by_the_check(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    await make(path)
    async with Database(path) as db:
        (row,) = await db.query("SELECT rootpage FROM sqlite_master WHERE name = 'gate_runs'")
    with path.open("r+b") as file:
        file.seek((row["rootpage"] - 1) * 4096)
        file.write(bytes(4096))
    async with Database(path) as db:
        assert await db.check(full=True)


async def test_a_folder_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="is a folder"):
        await Database(tmp_path).initialize()


async def test_a_file_in_the_way_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DatabaseError, match="can't create the folder"):
        await Database(tmp_path / "file" / "queue.db").initialize()


async def test_a_process_that_keeps_the_turn_makes_others_busy(
    open_notes: OpenNotes, tmp_path: Path
) -> None:
    path = tmp_path / "notes.db"
    engine = open_notes(path, busy_timeout=0.2)
    lock = os.open(path.with_name("notes.db.lock"), os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    for _ in range(2):
        with pytest.raises(DatabaseBusyError, match="another process"):
            await engine.write(add, "in vain")
    assert await engine.read(texts) == []
    os.close(lock)
    await engine.write(add, "free again")
    assert await engine.read(texts) == ["free again"]


async def test_another_programs_lock_makes_it_busy(open_notes: OpenNotes, tmp_path: Path) -> None:
    """One that knows nothing of turns, as a shell in which somebody said BEGIN."""
    path = tmp_path / "notes.db"
    engine = open_notes(path, busy_timeout=0.2)
    with (
        transaction_of_another(path),
        pytest.raises(DatabaseBusyError, match="another process"),
    ):
        await engine.write(add, "in vain")
    await engine.write(add, "free again")
    assert await engine.read(texts) == ["free again"]


@contextmanager
def transaction_of_another(path: Path) -> Iterator[None]:
    connection = connect(str(path), busy_timeout=1)
    connection.execute("BEGIN IMMEDIATE")
    yield
    connection.close()


async def test_a_database_is_not_used_in_a_forked_child(
    start_child: StartChild, tmp_path: Path
) -> None:
    child = start_child("fork", tmp_path / "queue.db")
    out, _ = await asyncio.to_thread(child.communicate, timeout=60)
    *refused, parent = out.splitlines()
    assert len(refused) == 4
    assert all(line.startswith("DatabaseError") and "forked" in line for line in refused)
    assert parent == "[{'task_id': 'parent'}]"


def copied(*paths: Path, to: Path) -> None:
    # By a process of its own: one that closes the file would drop this one's locks on it.
    subprocess.run(["cp", *map(str, paths), str(to)], check=True)


async def test_a_copy_of_the_file_without_its_log_is_sound_but_older(
    open_notes: OpenNotes, tmp_path: Path
) -> None:
    path, other = tmp_path / "notes.db", tmp_path / "other"
    other.mkdir()
    first = open_notes(path)
    await first.write(add, "in the file")
    first.close()
    engine = open_notes(path)
    await engine.write(add, "in the log")
    copied(path, to=other)
    copy = open_notes(other / "notes.db")
    assert await copy.read(texts) == ["in the file"]
    assert await copy.check(full=True) == []
    assert await engine.read(texts) == ["in the file", "in the log"]


async def test_a_flaw_in_the_log_takes_what_came_after_it_and_leaves_a_sound_file(
    open_notes: OpenNotes, tmp_path: Path
) -> None:
    path, other = tmp_path / "notes.db", tmp_path / "other"
    other.mkdir()
    engine = open_notes(path)
    for text in "abcd":
        await engine.write(add, text)
    log = path.with_name("notes.db-wal")
    copied(path, log, to=other)
    with (other / log.name).open("r+b") as opened:
        # Behind the head come frames, each with a head and a page; each commit here has some.
        opened.seek(-2000, os.SEEK_END)
        byte = opened.read(1)
        opened.seek(-2000, os.SEEK_END)
        opened.write(bytes([byte[0] ^ 1]))
    flawed = open_notes(other / "notes.db")
    assert await flawed.read(texts) == ["a", "b", "c"]
    assert await flawed.check(full=True) == []


async def test_a_file_that_was_open_at_the_fork_is_refused_in_the_child(
    start_child: StartChild, tmp_path: Path
) -> None:
    """SQLite would tell it `no such table`: the child knows nothing of what is in the log."""
    child = start_child("fork-and-open", tmp_path / "queue.db")
    out, _ = await asyncio.to_thread(child.communicate, timeout=60)
    refused, other, after_closing = out.splitlines()
    assert refused.startswith("DatabaseError")
    assert "start processes by `spawn`" in refused
    assert other == "opened"
    assert after_closing == "[{'task_id': 'only in the log'}]"
