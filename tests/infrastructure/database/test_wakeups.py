"""Word of commits, within a process and between processes."""

import asyncio
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from abathur.domain.audit import Action, AuditEntry
from abathur.domain.errors import DatabaseClosedError
from abathur.infrastructure.database import Database
from abathur.infrastructure.database.wakeups import Mailboxes
from abathur.ports.stores import Stores

StartChild = Callable[..., "subprocess.Popen[str]"]

LONG = 30.0
POLL = 1.0


def add(stores: Stores) -> None:
    stores.audit.append(
        AuditEntry(
            timestamp=datetime(2030, 1, 1, tzinfo=UTC),
            task_id="t",
            action_type=Action.TASK_SUBMITTED,
            actor="test",
        )
    )


@pytest.fixture
def short_path() -> Iterator[Path]:
    """Short enough for the sockets to be beside the database, whoever's temporary files it is."""
    with tempfile.TemporaryDirectory(prefix="ab-") as folder:
        yield Path(folder)


@pytest.mark.parametrize("where", ["file", "memory"])
async def test_a_commit_of_this_process_wakes_at_once(tmp_path: Path, where: str) -> None:
    async with (
        Database(tmp_path / "queue.db" if where == "file" else ":memory:") as db,
        db.wakeups() as wakeups,
    ):
        waiting = asyncio.create_task(wakeups.wait(LONG))
        await asyncio.sleep(0)
        start = time.monotonic()
        await db.write(add)
        assert await waiting
        assert time.monotonic() - start < POLL / 2
        assert not await wakeups.wait(0)


async def test_a_commit_between_two_waits_is_reported_once(tmp_path: Path) -> None:
    async with Database(tmp_path / "queue.db") as db, db.wakeups() as wakeups:
        assert not await wakeups.wait(0)
        await db.write(add)
        await db.write(add)
        assert await wakeups.wait(0)
        assert not await wakeups.wait(0)


async def test_everyone_who_waits_is_woken(tmp_path: Path) -> None:
    async with (
        Database(tmp_path / "queue.db") as db,
        db.wakeups() as first,
        db.wakeups() as second,
    ):
        waiting = [asyncio.create_task(each.wait(LONG)) for each in (first, second)]
        await asyncio.sleep(0)
        await db.write(add)
        assert await asyncio.gather(*waiting) == [True, True]


async def test_a_commit_of_another_process_wakes_sooner_than_polling(
    tmp_path: Path, start_child: StartChild
) -> None:
    async with Database(tmp_path / "queue.db") as db:
        waits = []
        for _ in range(3):
            child = start_child("wait-for-commit", tmp_path / "queue.db")
            assert child.stdout is not None
            assert await asyncio.to_thread(child.stdout.readline) == "ready\n"
            # Well between two polls of the other.
            await db.write(add)
            woken, seconds = (await asyncio.to_thread(child.stdout.readline)).split()
            assert woken == "True"
            waits.append(float(seconds))
    assert min(waits) < POLL / 2


async def test_polling_finds_what_was_not_told(short_path: Path) -> None:
    async with (
        Database(short_path / "queue.db") as db,
        Database(short_path / "queue.db") as other,
        db.wakeups() as wakeups,
    ):
        for box in (short_path / "wake").iterdir():
            box.unlink()
        waiting = asyncio.create_task(wakeups.wait(LONG))
        await asyncio.sleep(0)
        await other.write(add)
        assert await waiting


async def test_sockets_of_the_dead_are_removed_and_of_the_living_kept(short_path: Path) -> None:
    async with Database(short_path / "queue.db") as db, db.wakeups():
        folder = short_path / "wake"
        dead = folder / "1-1.sock"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as box:
            box.bind(str(dead))
        async with Database(short_path / "queue.db") as other:
            await other.write(add)
        assert [box.name.split("-")[0] for box in folder.iterdir()] == [str(os.getpid())]
    assert not folder.exists()


async def test_the_last_who_leaves_removes_the_folder(short_path: Path) -> None:
    boxes = [Mailboxes(short_path / "queue.db") for _ in range(2)]
    first, last = [each.open() for each in boxes]
    assert first is not None
    assert last is not None
    boxes[0].remove(first)
    assert (short_path / "wake").exists()
    boxes[1].remove(last)
    assert not (short_path / "wake").exists()


def test_who_comes_while_the_last_one_leaves_is_told_all_the_same(short_path: Path) -> None:
    def come_and_go(_: int) -> bool:
        boxes = Mailboxes(short_path / "queue.db")
        box = boxes.open()
        assert box is not None
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"!", box.getsockname())
        told = box.recv(1) == b"!"
        boxes.remove(box)
        return told

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(come_and_go, range(300)))
    assert not (short_path / "wake").exists()


async def test_a_mailbox_that_is_full_holds_nobody_up(tmp_path: Path) -> None:
    async with Database(tmp_path / "queue.db") as db:
        boxes = Mailboxes(tmp_path / "queue.db")
        unread = boxes.open()
        assert unread is not None
        for _ in range(600):
            await db.write(add)
        boxes.remove(unread)


@pytest.fixture
def own_temporary_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield


@pytest.mark.usefixtures("own_temporary_folder")
async def test_a_long_path_has_its_sockets_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)
    async with (
        Database(folder / "queue.db") as db,
        Database(folder / "queue.db") as other,
        db.wakeups() as wakeups,
    ):
        assert not (folder / "wake").exists()
        waiting = asyncio.create_task(wakeups.wait(LONG))
        await asyncio.sleep(0)
        start = time.monotonic()
        await other.write(add)
        assert await waiting
        assert time.monotonic() - start < POLL / 2


@pytest.mark.usefixtures("own_temporary_folder")
async def test_folders_that_killed_processes_left_are_cleared_away(tmp_path: Path) -> None:
    places = [tmp_path / (letter * 120) / "queue.db" for letter in "abc"]
    killed, living, new = [Mailboxes(place) for place in places]
    dead, alive = killed.open(), living.open()
    assert dead is not None
    assert alive is not None
    stranger = Path(tempfile.gettempdir()) / "abathur-of-somebody"
    stranger.mkdir()
    dead.close()
    box = new.open()
    assert box is not None
    left = {Path(one.getsockname()).parent for one in (alive, box)}
    assert {*Path(tempfile.gettempdir()).iterdir()} == {*left, stranger}
    living.remove(alive)
    new.remove(box)
    assert [*Path(tempfile.gettempdir()).iterdir()] == [stranger]


async def test_waiting_on_a_closed_database_is_an_error(tmp_path: Path) -> None:
    db = Database(tmp_path / "queue.db")
    with pytest.raises(DatabaseClosedError):
        db.wakeups()
    await db.initialize()
    wakeups = db.wakeups()
    await db.close()
    with pytest.raises(DatabaseClosedError):
        await wakeups.wait(LONG)
    wakeups.close()


async def test_waiting_costs_next_to_nothing(tmp_path: Path) -> None:
    async with Database(tmp_path / "queue.db") as db, db.wakeups() as wakeups:
        await wakeups.wait(0)
        before = time.process_time()
        assert not await wakeups.wait(2.0)
        assert time.process_time() - before < 0.02
