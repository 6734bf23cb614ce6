"""The database as its users see it, also from several processes at once."""

import asyncio
import gc
import subprocess
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from abathur.domain.audit import Action, AuditEntry
from abathur.domain.errors import DatabaseClosedError, DatabaseError
from abathur.infrastructure.database import Database, migrate
from abathur.infrastructure.database.engines.sqlite import connect
from abathur.ports.stores import Stores

StartChild = Callable[..., "subprocess.Popen[str]"]


def add(stores: Stores, task_id: str) -> None:
    stores.audit.append(
        AuditEntry(
            timestamp=datetime(2030, 1, 1, tzinfo=UTC),
            task_id=task_id,
            action_type=Action.TASK_SUBMITTED,
            actor="test",
        )
    )


def ids(stores: Stores) -> list[str]:
    return [entry.task_id for entry in stores.audit.recent(100_000)]


def line(child: "subprocess.Popen[str]") -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


def go(child: "subprocess.Popen[str]") -> None:
    assert child.stdin is not None
    child.stdin.write("go\n")
    child.stdin.flush()


async def test_what_is_written_is_read(tmp_path: Path) -> None:
    async with Database(tmp_path / "deep" / "down" / "queue.db") as db:
        await db.write(add, "a")
        assert await db.read(ids) == ["a"]
        assert await db.query("SELECT task_id FROM audit WHERE task_id = ?", ["a"]) == [
            {"task_id": "a"}
        ]
    async with Database(str(tmp_path / "deep" / "down" / "queue.db")) as again:
        assert await again.read(ids) == ["a"]


@pytest.mark.parametrize("where", [":memory:", Path(":memory:")])
async def test_memory_keeps_its_rows_when_initialized_again(where: Path | str) -> None:
    async with Database(where) as db:
        await db.write(add, "a")
        await db.initialize()
        assert await db.read(ids) == ["a"]
        assert db.path == Path(":memory:")


async def test_it_must_be_open(tmp_path: Path) -> None:
    db = Database(tmp_path / "queue.db")
    with pytest.raises(DatabaseClosedError, match="isn't open"):
        await db.read(ids)
    await db.close()
    await db.initialize()
    await db.close()
    await db.close()
    with pytest.raises(DatabaseClosedError):
        await db.write(add, "a")
    await db.initialize()
    await db.write(add, "a")
    await db.close()


@pytest.mark.parametrize("where", ["", "."])
def test_other_places_are_refused(where: str) -> None:
    with pytest.raises(DatabaseError, match="path"):
        Database(where)


async def test_a_copy_is_complete_and_never_overwrites(tmp_path: Path) -> None:
    for where in (":memory:", tmp_path / "queue.db"):
        target = tmp_path / f"copy-of-{Path(where).stem}.db"
        async with Database(where) as db:
            await db.write(add, "a")
            await db.backup(target)
            with pytest.raises(DatabaseError, match="exists already"):
                await db.backup(target)
            with pytest.raises(DatabaseError, match="nowhere"):
                await db.backup(tmp_path / "nowhere" / "copy.db")
        async with Database(target) as copy:
            assert await copy.read(ids) == ["a"]
    assert [path.name for path in tmp_path.glob(".*")] == []


async def test_its_facts(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    async with Database(path) as db:
        await db.write(add, "a")
        info = await db.info()
    assert info["path"] == str(path)
    assert info["size"] > 0
    assert info["schema_version"] >= 1
    assert info["journal_mode"] == "wal"
    assert info["rows"]["audit"] == 1


async def test_the_check_finds_rows_that_contradict_each_other(tmp_path: Path) -> None:
    async with Database(tmp_path / "queue.db") as db:
        assert await db.check() == []
        connection = connect(str(tmp_path / "queue.db"), busy_timeout=1)
        connection.execute(
            "INSERT INTO workers (id, host, pid, pid_started_at, repository, max_agents,"
            " started_at, heartbeat_at, lease_until) VALUES ('w', 'h', 1, 1, 'r', 1, '', '', '');"
            "INSERT INTO tasks (id, summary, prompt, agent_type, priority, status, source,"
            " max_retries, max_execution_timeout_seconds, submitted_at, last_updated_at, rank,"
            " worker_id) VALUES ('t', 's', 'p', 'a', 5, 'ready', 'human', 0, 1, '', '', 0, 'w');"
            "PRAGMA foreign_keys = OFF; DELETE FROM workers;"
        )
        connection.close()
        found = {problem.code: problem for problem in await db.check()}
    assert "task t is ready" in found["lease_without_run"].text
    assert found["time_in_tasks"].key == "t"


async def test_one_that_is_forgotten_leaves_no_thread_behind(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    db = Database(tmp_path / "queue.db")
    await db.initialize()
    await db.write(add, "a")
    await db.read(ids)
    started = set(threading.enumerate()) - before
    assert len(started) >= 2
    del db
    gc.collect()
    for thread in started:
        await asyncio.to_thread(thread.join, 30)
        assert not thread.is_alive()


def test_leaving_without_closing_ends_the_program(start_child: StartChild, tmp_path: Path) -> None:
    child = start_child("leave", tmp_path / "queue.db")
    out, _ = child.communicate(timeout=30)
    assert (out, child.returncode) == ("leaving\n", 0)


async def test_eight_processes_create_one_file_at_once(
    start_child: StartChild, tmp_path: Path
) -> None:
    children = [start_child("initialize", tmp_path / "queue.db") for _ in range(8)]
    for child in children:
        assert line(child) == "ready"
    for child in children:
        go(child)
    assert {line(child) for child in children} == {str(len(migrate.load("sqlite")))}
    assert [child.wait(30) for child in children] == [0] * 8
    async with Database(tmp_path / "queue.db") as db:
        assert await db.check(full=True) == []


async def test_what_was_acknowledged_survives_kill_9(
    start_child: StartChild, tmp_path: Path
) -> None:
    child = start_child("acknowledge", tmp_path / "queue.db")
    acknowledged = [line(child) for _ in range(200)]
    child.kill()
    assert child.stdout is not None
    # The last line may be torn.
    rest = child.stdout.read().split("\n")[:-1]
    async with Database(tmp_path / "queue.db") as db:
        there = await db.read(ids)
        assert set(acknowledged) | set(rest) <= set(there)
        assert len(there) == len(set(there))
        assert await db.check(full=True) == []


async def test_processes_that_write_at_once_get_fair_turns(
    start_child: StartChild, tmp_path: Path
) -> None:
    path = tmp_path / "queue.db"
    async with Database(path):
        children = [start_child("write", path, name, 100) for name in "abcd"]
        for child in children:
            assert line(child) == "ready"
        for child in children:
            go(child)
        longest = [float(line(child)) for child in children]
        assert [child.wait(60) for child in children] == [0] * 4
    async with Database(path) as db:
        assert len(await db.read(ids)) == 4 * 4 * 100
        assert await db.check(full=True) == []
    # Polling for the lock, as SQLite does by itself, makes one wait for a second and more.
    assert max(longest) < 1.0


@pytest.mark.parametrize("statement", [3, 10, 20])
async def test_a_migration_that_was_killed_is_done_again(
    start_child: StartChild, tmp_path: Path, statement: int
) -> None:
    path = tmp_path / "queue.db"
    child = start_child("die-migrating", path, statement)
    assert child.wait(30) == -9
    async with Database(path) as db:
        assert (await db.info())["schema_version"] >= 1
        assert await db.check(full=True) == []
