"""Processes that hold others up: frozen in their turn, or reading for ever."""

import asyncio
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from abathur.domain.errors import DatabaseBusyError
from abathur.infrastructure.database import Database
from abathur.infrastructure.database.engines.base import Session
from abathur.infrastructure.database.engines.sqlite import WAL_LIMIT, connect
from abathur.infrastructure.database.engines.sqlite_engine import SqliteEngine
from tests.infrastructure.database.children import add as add_entry

OpenNotes = Callable[..., SqliteEngine[Session]]
StartChild = Callable[..., "subprocess.Popen[str]"]
PIECE = 1_000_000


def add(session: Session, text: str) -> None:
    session.execute("add", text=text)


def count(session: Session) -> int:
    return int(session.fetch("count")[0]["n"])


async def test_a_process_frozen_in_its_turn_makes_others_say_so_and_loses_nothing(
    start_child: StartChild, tmp_path: Path
) -> None:
    path = tmp_path / "queue.db"
    frozen = start_child("hold", path)
    assert frozen.stdout is not None
    assert await asyncio.to_thread(frozen.stdout.readline) == "holding\n"
    frozen.send_signal(signal.SIGSTOP)
    db = Database(path, busy_timeout=0.3)
    await db.initialize()
    try:
        for _ in range(2):
            with pytest.raises(DatabaseBusyError, match="end or resume it"):
                await db.write(add_entry, "in vain")
        assert await db.query("SELECT task_id FROM audit") == []
        frozen.send_signal(signal.SIGCONT)
        out, _ = await asyncio.to_thread(frozen.communicate, "go on\n", 30)
        assert out == "done\n"
        await db.write(add_entry, "after")
        rows = await db.query("SELECT task_id FROM audit ORDER BY id")
        assert [row["task_id"] for row in rows] == ["held", "after"]
    finally:
        await db.close()


@contextmanager
def reader_of_another(path: Path) -> Iterator[None]:
    """One that began to read and doesn't come to an end."""
    connection = connect(str(path), busy_timeout=1, read_only=True)
    connection.execute("BEGIN; SELECT * FROM notes")
    yield
    connection.close()


async def test_a_log_that_a_reader_held_shrinks_again(
    open_notes: OpenNotes, tmp_path: Path
) -> None:
    path = tmp_path / "notes.db"
    log = path.with_name("notes.db-wal")
    engine = open_notes(path)
    pieces = 2 * WAL_LIMIT // PIECE
    with reader_of_another(path):
        for number in range(pieces):
            await engine.write(add, f"{number}" + "x" * PIECE)
        assert log.stat().st_size > pieces * PIECE
        assert (await engine.info())["wal_size"] == log.stat().st_size
    # Trying after each commit would cost too much: the log is emptied when it has grown a bit.
    for number in range(8):
        await engine.write(add, f"{number}" + "y" * PIECE)
    assert log.stat().st_size <= WAL_LIMIT
    assert await engine.read(count) == pieces + 8
    assert await engine.check(full=True) == []
