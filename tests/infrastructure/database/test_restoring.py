"""A backup takes the place of a database, whole or not at all, also of a damaged one."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from abathur.domain.errors import (
    DatabaseCorruptError,
    DatabaseError,
    DatabaseTooNewError,
    NotFoundError,
    OlderDatabaseError,
)
from abathur.domain.tasks import NewTask
from abathur.infrastructure.database import Database
from abathur.infrastructure.database.engines.sqlite import connect
from abathur.infrastructure.database.restoring import prepared, put_in_place
from abathur.services import submitting
from tests.infrastructure.database.legacy.older import LAST, UUIDS, make, task

NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)


async def submit(db: Database, number: int) -> None:
    new = NewTask(prompt=f"Task {number}")
    await db.write(submitting.submit, new, task_id=f"t{number}", now=NOW, actor="cli:alice")


async def tasks(path: Path) -> list[str]:
    async with Database(path) as db:
        assert await db.check(full=True) == []
        return [row["id"] for row in await db.query("SELECT id FROM tasks ORDER BY id")]


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """With a backup `backup.db` of its first state beside it, and a task more."""
    async with Database(tmp_path / "queue.db") as db:
        await submit(db, 1)
        await db.backup(tmp_path / "backup.db")
        await submit(db, 2)
    return tmp_path / "queue.db"


def restore(path: Path) -> Path | None:
    with prepared(path, path.with_name("backup.db")) as found:
        return put_in_place(found, path.with_name("kept.db"))


def zeroed(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def no_database(path: Path) -> None:
    path.write_text("This is a text, and a long one, " * 200)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


async def test_the_state_of_the_backup_is_there_and_the_other_one_kept(path: Path) -> None:
    kept = restore(path)
    assert kept is not None
    assert await tasks(path) == ["t1"]
    assert await tasks(kept) == ["t1", "t2"]
    assert await tasks(path.with_name("backup.db")) == ["t1"]


async def test_a_link_goes_on_leading_to_the_file_that_is_replaced(path: Path) -> None:
    link = path.parent / "folder" / "link.db"
    link.parent.mkdir()
    link.symlink_to(path)
    with prepared(link, path.with_name("backup.db")) as found:
        kept = put_in_place(found, path.with_name("kept.db"))
    assert link.is_symlink()
    assert kept is not None
    assert not kept.is_symlink()
    assert await tasks(path) == await tasks(link) == ["t1"]
    assert await tasks(kept) == ["t1", "t2"]
    assert [*link.parent.iterdir()] == [link]


async def test_the_copies_of_killed_restores_are_cleared(path: Path) -> None:
    ended = await asyncio.create_subprocess_exec(sys.executable, "-c", "")
    await ended.wait()
    left = [path.with_name(f".queue.db.{ended.pid}.restoring{end}") for end in ("", "-journal")]
    living = path.with_name(f".queue.db.{os.getppid()}.restoring")
    for file in (*left, living):
        file.write_bytes(b"half a copy")
    restore(path)
    assert [file.exists() for file in (*left, living)] == [False, False, True]


async def test_an_older_file_isnt_taken_for_a_backup(path: Path) -> None:
    make(path.with_name("older.db"), LAST, {"tasks": [task(1)]})
    with (
        pytest.raises(OlderDatabaseError, match="`abathur --db COPY task list`"),
        prepared(path, path.with_name("older.db")),
    ):
        pytest.fail("it was prepared")
    assert await tasks(path) == ["t1", "t2"]


async def test_an_older_file_is_replaced_only_as_another_database_is(path: Path) -> None:
    older = path.with_name("older.db")
    make(older, LAST, {"tasks": [task(1)]})
    with prepared(older, path.with_name("backup.db")) as found:
        assert found.unreadable == f"`{older}` is of an older Abathur"
        assert found.difference is not None
        assert found.difference.loses_work
        kept = put_in_place(found, path.with_name("kept.db"))
    assert kept is not None
    assert await tasks(older) == ["t1"]
    assert await tasks(kept) == [UUIDS[1]]


async def test_what_differs_is_told(path: Path) -> None:
    with prepared(path, path.with_name("backup.db")) as found:
        assert found.backup.tasks == {"ready": 1}
        assert found.present is not None
        assert found.present.tasks == {"ready": 2}
        assert found.difference is not None
        assert (found.difference.entries, found.difference.completed) == (1, 0)
        assert found.difference.loses_work


async def test_a_backup_of_another_queue_is_told_apart(path: Path, tmp_path: Path) -> None:
    async with Database(tmp_path / "other.db") as db:
        await submit(db, 7)
    with prepared(path, tmp_path / "other.db") as found:
        assert found.difference is not None
        assert not found.difference.is_descendant


@pytest.mark.parametrize("damage", [zeroed, truncated, no_database, emptied])
async def test_it_takes_the_place_of_a_damaged_file(
    path: Path, damage: Callable[[Path], None]
) -> None:
    damage(path)
    before = path.read_bytes()
    kept = restore(path)
    assert kept is not None
    assert kept.read_bytes() == before
    assert await tasks(path) == ["t1"]


async def test_it_takes_the_place_of_a_missing_file(path: Path) -> None:
    path.unlink()
    assert restore(path) is None
    assert await tasks(path) == ["t1"]


@pytest.mark.parametrize("damage", [zeroed, truncated, no_database, emptied])
async def test_a_damaged_backup_is_refused(path: Path, damage: Callable[[Path], None]) -> None:
    damage(path.with_name("backup.db"))
    with pytest.raises(DatabaseCorruptError):
        restore(path)
    assert await tasks(path) == ["t1", "t2"]
    assert sorted(each.name for each in path.parent.iterdir() if "restoring" in each.name) == []


async def test_a_backup_of_a_newer_version_is_refused(path: Path) -> None:
    connection = connect(str(path.with_name("backup.db")), busy_timeout=1)
    connection.execute("INSERT INTO schema_migrations VALUES (999, 'later', '', '')")
    connection.close()
    with pytest.raises(DatabaseTooNewError, match="999"):
        restore(path)
    assert await tasks(path) == ["t1", "t2"]


async def test_a_missing_backup_and_the_database_itself_are_refused(path: Path) -> None:
    with pytest.raises(NotFoundError), prepared(path, path.with_name("none.db")):
        pass
    with pytest.raises(DatabaseError, match="the database itself"), prepared(path, path):
        pass


async def test_a_backup_with_a_log_beside_it_is_taken_with_it(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "byhand.db"
    async with Database(path) as db:
        await submit(db, 3)
        copy.write_bytes(path.read_bytes())
        log = path.with_name("queue.db-wal").read_bytes()
        copy.with_name("byhand.db-wal").write_bytes(log)
    with prepared(path, copy) as found:
        assert found.backup.tasks == {"ready": 3}
