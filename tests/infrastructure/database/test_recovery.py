"""Recovering: where pages are zeroed, garbage, cut off or lost, the rows of all others come out."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from abathur.domain.errors import DatabaseCorruptError, DatabaseError, NotFoundError
from abathur.domain.runs import EventKind, RunEvent
from abathur.domain.tasks import NewTask
from abathur.infrastructure.database import Database
from abathur.infrastructure.database.engines import sqlite_log
from abathur.infrastructure.database.engines.sqlite import connect
from abathur.infrastructure.database.recovery.recover import recover
from abathur.ports.restoring import Recovered
from abathur.ports.stores import Stores
from abathur.services import claiming, submitting
from tests.conformance.conftest import Queue

NOW: Final = datetime(2030, 1, 31, 12, tzinfo=UTC)
COUNT: Final = 300
PAGE: Final = 4096
TABLES: Final = ("tasks", "task_dependencies", "attempts", "run_events", "audit", "workers")


def fill(stores: Stores) -> None:
    """Rows of one line, and some that need many pages."""
    for number in range(COUNT):
        prompt = f"Task {number} " + "x" * (20_000 if number % 50 == 0 else number)
        needs = (f"t{number - 1:04}",) if number % 3 == 1 else ()
        new = NewTask(prompt=prompt, prerequisites=needs, input_data={"n": number})
        submitting.submit(stores, new, task_id=f"t{number:04}", now=NOW, actor="cli:alice")
    claims = claiming.claim(stores, worker_id="w1", limit=20, now=NOW, lease=Queue.lease)
    for claim in claims:
        events = [(n, NOW, RunEvent(EventKind.TEXT, f"line {n}")) for n in range(1, 30)]
        stores.attempts.add_events(claim.task.id, 1, events)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    import asyncio

    path = tmp_path_factory.mktemp("sound") / "queue.db"

    async def make() -> None:
        async with Database(path) as db:
            queue = Queue(db)
            await queue.prepare()
            await db.write(fill)

    asyncio.run(make())
    return path.read_bytes()


@pytest.fixture
def source(tmp_path: Path, sound: bytes) -> Path:
    path = tmp_path / "queue.db"
    path.write_bytes(sound)
    return path


def rows(path: Path) -> dict[str, set[tuple[Any, ...]]]:
    connection = connect(str(path), busy_timeout=1)
    try:
        return {
            table: set(connection.execute(f"SELECT * FROM {table}").fetchall()) for table in TABLES
        }
    finally:
        connection.close()


def recovered(source: Path) -> tuple[Recovered, dict[str, set[tuple[Any, ...]]]]:
    """The source must be left as it is."""
    before = source.read_bytes()
    target = source.with_name("new.db")
    found = recover(source, target)
    assert source.read_bytes() == before
    return found, rows(target)


def pages_of(data: bytes, kind: int) -> Iterator[int]:
    """Numbers of the pages of one kind, but the first."""
    for number in range(2, len(data) // PAGE + 1):
        if data[(number - 1) * PAGE] == kind:
            yield number


def put(path: Path, number: int, content: bytes) -> None:
    data = bytearray(path.read_bytes())
    data[(number - 1) * PAGE : number * PAGE] = content
    path.write_bytes(data)


def table_of(path: Path, number: int) -> str:
    """Which table or index a page belongs to."""
    connection = connect(str(path), busy_timeout=1)
    try:
        found: Any = connection.execute(
            "SELECT name FROM dbstat WHERE pageno = ?", (number,)
        ).fetchall()
        return str(found[0][0])
    finally:
        connection.close()


def leaves_of(path: Path, table: str) -> list[int]:
    return [n for n in pages_of(path.read_bytes(), 13) if table_of(path, n) == table]


async def test_all_of_a_sound_file_comes_out_the_same(source: Path) -> None:
    expected = rows(source)
    found, there = recovered(source)
    assert there == expected
    assert found.is_complete
    async with Database(source.with_name("new.db")) as db:
        assert await db.check(full=True) == []


def zeros() -> bytes:
    return bytes(PAGE)


def garbage() -> bytes:
    return random.Random(1).randbytes(PAGE)


@pytest.mark.parametrize("content", [zeros, garbage])
@pytest.mark.parametrize("place", [0, 7, -1])
async def test_the_rows_of_all_other_leaves_come_out(
    source: Path, content: Callable[[], bytes], place: int
) -> None:
    leaves = leaves_of(source, "tasks")
    expected = rows(source)
    put(source, leaves[place], content())
    found, there = recovered(source)
    assert not found.is_complete
    assert found.damaged_pages == 1
    missing = expected["tasks"] - there["tasks"]
    assert 0 < len(missing) < COUNT / 10
    assert there["tasks"] <= expected["tasks"]
    assert there["audit"] == expected["audit"]
    (tasks,) = [one for one in found.tables if one.table == "tasks"]
    assert (tasks.kept, tasks.lost) == (len(there["tasks"]), len(missing))
    async with Database(source.with_name("new.db")) as db:
        left = await db.check(full=True)
    assert {problem.code for problem in left if not problem.fixable} == set()


@pytest.mark.parametrize("table", ["tasks", "audit", "run_events"])
async def test_no_row_is_lost_with_an_inner_page(source: Path, table: str) -> None:
    """The leaves below it are found by what is in them."""
    data = source.read_bytes()
    inner = [
        number
        for kind in (2, 5)
        for number in pages_of(data, kind)
        if table_of(source, number) == table
    ]
    expected = rows(source)
    in_inner = 0 if table != "run_events" else 60  # this kind of page holds rows itself
    put(source, inner[0], zeros())
    found, there = recovered(source)
    assert found.damaged_pages == 1
    assert len(expected[table] - there[table]) <= in_inner
    assert there[table] <= expected[table]


async def test_no_row_is_lost_with_the_first_page(source: Path) -> None:
    expected = rows(source)
    put(source, 1, zeros())
    _, there = recovered(source)
    assert there == expected


async def test_a_file_that_was_cut_off_gives_what_is_left(source: Path) -> None:
    expected = rows(source)
    data = source.read_bytes()
    source.write_bytes(data[: len(data) * 2 // 3])
    found, there = recovered(source)
    assert not found.is_complete
    assert sum(len(there[table]) for table in TABLES) > COUNT
    for table in ("tasks", "audit"):
        assert there[table] <= expected[table]


async def test_what_points_to_a_lost_row_is_kept_apart(source: Path) -> None:
    """A new database must hold no key that points to nothing, and no row may vanish untold."""
    leaves = leaves_of(source, "tasks")
    expected = rows(source)
    put(source, leaves[3], zeros())
    found, there = recovered(source)
    lost = {one.table: one.lost for one in found.tables if one.lost}
    assert set(lost) >= {"tasks", "task_dependencies"}
    assert lost == {table: len(expected[table] - there[table]) for table in lost}
    assert found.leftovers is not None
    kept_apart = [json.loads(line) for line in found.leftovers.read_text().splitlines()]
    assert len(kept_apart) == sum(lost.values()) - lost["tasks"]
    assert {one["reason"] for one in kept_apart} <= {
        "it points to a row of tasks that is lost",
        "it points to a row of attempts that is lost",
    }


async def test_commits_behind_a_damaged_frame_come_out(tmp_path: Path) -> None:
    path, copy = tmp_path / "queue.db", tmp_path / "copy.db"
    async with Database(path) as db:
        for number in range(8):
            new = NewTask(prompt=f"Task {number}")
            await db.write(submitting.submit, new, task_id=f"t{number}", now=NOW, actor="cli:alice")
        copy.write_bytes(path.read_bytes())
        log = bytearray(path.with_name("queue.db-wal").read_bytes())
    commits = [frame.number for frame in sqlite_log.frames(bytes(log)) if frame.commits]
    bad = commits[-4] + 1
    place = 32 + (bad - 1) * (24 + PAGE) + 24 + 100
    log[place] ^= 0xFF
    copy.with_name("copy.db-wal").write_bytes(log)
    (problem,) = sqlite_log.problems(copy)
    assert problem.code == "log_damaged"
    assert problem.text.startswith("3 commits")
    found, there = recovered(copy)
    assert not found.is_complete
    assert {row[0] for row in there["tasks"]} == {f"t{number}" for number in range(8)}


async def test_a_log_that_ends_in_half_a_commit_is_sound(tmp_path: Path) -> None:
    path, copy = tmp_path / "queue.db", tmp_path / "copy.db"
    async with Database(path) as db:
        new = NewTask(prompt="Do it")
        await db.write(submitting.submit, new, task_id="t1", now=NOW, actor="cli:alice")
        copy.write_bytes(path.read_bytes())
        log = path.with_name("queue.db-wal").read_bytes()
    assert sqlite_log.problems(path) == []
    copy.with_name("copy.db-wal").write_bytes(log[:-2000])
    assert sqlite_log.problems(copy) == []


def test_checksums_are_those_of_the_documented_form(tmp_path: Path) -> None:
    """All frames of a log that SQLite wrote are sound, and none of it with a flipped bit."""
    connection = connect(str(tmp_path / "a.db"), busy_timeout=1)
    connection.execute("PRAGMA journal_mode = WAL").fetchall()
    connection.execute("CREATE TABLE t (x)")
    connection.execute("INSERT INTO t VALUES (1)")
    log = (tmp_path / "a.db-wal").read_bytes()
    connection.close()
    frames = list(sqlite_log.frames(log))
    assert frames
    assert all(frame.is_valid and frame.is_sound for frame in frames)
    size = struct.unpack(">I", log[8:12])[0]
    flipped = bytearray(log)
    flipped[32 + 24 + size - 1] ^= 1
    first, *_ = sqlite_log.frames(bytes(flipped))
    assert not first.is_valid


def test_what_holds_nothing_is_refused_and_nothing_left_behind(tmp_path: Path) -> None:
    (tmp_path / "bad.db").write_bytes(random.Random(2).randbytes(50_000))
    with pytest.raises(DatabaseCorruptError, match="nothing"):
        recover(tmp_path / "bad.db", tmp_path / "new.db")
    with pytest.raises(NotFoundError):
        recover(tmp_path / "none.db", tmp_path / "new.db")
    assert [each.name for each in tmp_path.iterdir()] == ["bad.db"]


async def test_a_sound_queue_without_rows_comes_out_as_one_and_a_damaged_one_is_refused(
    tmp_path: Path,
) -> None:
    file = tmp_path / "queue.db"
    async with Database(file):
        pass
    assert recover(file, tmp_path / "new.db").is_complete
    async with Database(tmp_path / "new.db") as db:
        assert await db.check(full=True) == []
    with file.open("r+b") as opened:
        opened.seek(5 * PAGE)
        opened.write(zeros())
    with pytest.raises(DatabaseCorruptError, match="nothing"):
        recover(file, tmp_path / "newer.db")


def test_a_file_that_is_there_is_never_overwritten(source: Path) -> None:
    source.with_name("new.db").write_text("mine")
    with pytest.raises(DatabaseError, match="exists already"):
        recover(source, source.with_name("new.db"))
    assert source.with_name("new.db").read_text() == "mine"
