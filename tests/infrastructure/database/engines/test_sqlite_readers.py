"""Reading beside writing."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from abathur.domain.errors import DatabaseError
from abathur.infrastructure.database.engines.base import Session
from abathur.infrastructure.database.engines.sqlite_engine import SqliteEngine

Engine = SqliteEngine[Session]
OpenNotes = Callable[..., Engine]


def add(session: Session, text: str) -> None:
    session.execute("add", text=text)


def count(session: Session) -> int:
    row = session.fetch_one("count")
    assert row is not None
    return int(row["n"])


async def test_a_query_sees_one_state_and_holds_up_no_writer(
    open_notes: OpenNotes, tmp_path: Path
) -> None:
    engine = open_notes(tmp_path / "notes.db")
    began, go_on = threading.Event(), threading.Event()

    def twice(session: Session) -> tuple[int, int]:
        before = count(session)
        began.set()
        go_on.wait(30)
        return before, count(session)

    reading = engine.read(twice)
    await asyncio.to_thread(began.wait, 30)
    await engine.write(add, "meanwhile")
    go_on.set()
    assert await reading == (0, 0)
    assert await engine.read(count) == 1


async def test_a_query_does_not_wait_for_a_writer(open_notes: OpenNotes, tmp_path: Path) -> None:
    engine = open_notes(tmp_path / "notes.db")
    began, go_on = threading.Event(), threading.Event()

    def slow(session: Session) -> None:
        add(session, "slow")
        began.set()
        go_on.wait(30)

    writing = engine.write(slow)
    await asyncio.to_thread(began.wait, 30)
    assert await engine.read(count) == 0
    go_on.set()
    await writing
    assert await engine.read(count) == 1


async def test_more_queries_than_threads_are_all_answered(
    open_notes: OpenNotes, tmp_path: Path
) -> None:
    engine = open_notes(tmp_path / "notes.db")
    together = threading.Barrier(4)

    def meet(session: Session) -> int:
        together.wait(30)
        return count(session)

    assert await asyncio.gather(*(engine.read(meet) for _ in range(12))) == [0] * 12


async def test_foreign_keys_are_on_in_every_connection(
    open_notes: OpenNotes, tmp_path: Path
) -> None:
    engine = open_notes(tmp_path / "notes.db")
    together = threading.Barrier(4)

    def enabled(session: Session) -> object:
        row = session.fetch_one("foreign_keys")
        return row and row["foreign_keys"]

    def meet(session: Session) -> object:
        together.wait(30)
        return enabled(session)

    assert await asyncio.gather(*(engine.read(meet) for _ in range(4))) == [1] * 4
    assert await engine.write(enabled) == 1
    assert await open_notes().write(enabled) == 1


@pytest.mark.parametrize("where", ["file", "memory"])
async def test_a_query_can_not_write(open_notes: OpenNotes, tmp_path: Path, where: str) -> None:
    engine = open_notes(tmp_path / "notes.db" if where == "file" else None)
    with pytest.raises(DatabaseError, match="may only read"):
        await engine.read(add, "sneaky")
    with pytest.raises(DatabaseError, match="may only read"):
        await engine.query("DELETE FROM notes", ())
    await engine.write(add, "allowed")
    assert await engine.read(count) == 1


async def test_what_a_query_raises_reaches_its_caller(
    open_notes: OpenNotes, tmp_path: Path
) -> None:
    engine = open_notes(tmp_path / "notes.db")

    def fail(session: Session) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await engine.read(fail)
    with pytest.raises(DatabaseError, match="syntax error"):
        await engine.query("SELEC 1", ())
    assert await engine.query("SELECT ? AS a, ? AS b", (1, {"ä": [2]})) == [
        {"a": 1, "b": '{"ä":[2]}'}
    ]


async def test_a_column_that_another_process_adds_is_noticed(
    open_notes: OpenNotes, tmp_path: Path
) -> None:
    """Rows are read by the place of their columns; a wrong place would be a silent mix-up."""
    engine = open_notes(tmp_path / "notes.db")
    await engine.write(add, "a")
    await engine.write(lambda session: session.fetch("all"))
    other = open_notes(
        tmp_path / "notes.db",
        prepare=lambda schema: schema.rows("ALTER TABLE notes ADD COLUMN extra"),
    )
    other.close()
    with pytest.raises(DatabaseError, match="changed the tables"):
        await engine.write(lambda session: session.fetch("all"))
    rows = await engine.write(lambda session: session.fetch("all"))
    assert rows == [{"id": 1, "text": "a", "parent": None, "extra": None}]
