"""The writing thread and its group commit."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from abathur.domain.errors import (
    DatabaseClosedError,
    DatabaseError,
    IntegrityViolation,
    InvalidInputError,
)
from abathur.infrastructure.database.engines.base import Session
from abathur.infrastructure.database.engines.sqlite_engine import SqliteEngine

Engine = SqliteEngine[Session]
OpenNotes = Callable[..., Engine]
Writes = list[asyncio.Future[Any]]


def add(session: Session, text: str) -> str:
    session.execute("add", text=text)
    return text


def texts(session: Session) -> list[str]:
    return [row["text"] for row in session.fetch("texts")]


@asynccontextmanager
async def held_up(engine: Engine) -> AsyncIterator[None]:
    """Keep the writer in a use case, so that what is written meanwhile makes one batch."""
    began, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def wait(session: Session) -> None:
        loop.call_soon_threadsafe(began.set)
        go_on.wait(30)

    waiting = engine.write(wait)
    await began.wait()
    try:
        yield
    finally:
        go_on.set()
        await waiting


@pytest.fixture(params=["file", "memory"])
def engine(request: pytest.FixtureRequest, open_notes: OpenNotes, tmp_path: Path) -> Engine:
    return open_notes(tmp_path / "notes.db" if request.param == "file" else None)


async def test_writes_that_wait_share_one_commit(engine: Engine) -> None:
    commits: list[None] = []
    engine.on_commit(lambda: commits.append(None))
    async with held_up(engine):
        writes = [engine.write(add, f"{n}") for n in range(100)]
    assert await asyncio.gather(*writes) == [f"{n}" for n in range(100)]
    await engine.write(add, "last")
    # The listener comes after the answers: of the two commits, the first was certainly told.
    assert 1 <= len(commits) <= 2
    assert await engine.read(texts) == [*(f"{n}" for n in range(100)), "last"]


async def test_a_raising_use_case_undoes_only_itself(engine: Engine) -> None:
    def fail(session: Session) -> None:
        add(session, "never")
        raise ValueError("no")

    async with held_up(engine):
        writes: Writes = [engine.write(add, "a"), engine.write(fail), engine.write(add, "b")]
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert results[::2] == ["a", "b"]
    assert isinstance(results[1], ValueError)
    assert await engine.read(texts) == ["a", "b"]


async def test_a_raising_use_case_alone_leaves_nothing(engine: Engine) -> None:
    def fail(session: Session) -> None:
        add(session, "never")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await engine.write(fail)
    assert await engine.read(texts) == []


async def test_who_breaks_the_commit_of_a_batch_is_the_only_one_to_fail(engine: Engine) -> None:
    """A deferred key is checked by COMMIT, when all of the batch has run."""

    def orphan(session: Session) -> None:
        session.execute("add_child", text="orphan", parent=999)

    async with held_up(engine):
        writes: Writes = [engine.write(add, "a"), engine.write(orphan), engine.write(add, "b")]
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert results[::2] == ["a", "b"]
    assert isinstance(results[1], IntegrityViolation)
    assert await engine.read(texts) == ["a", "b"]


async def test_a_constraint_can_be_caught_in_the_use_case(engine: Engine) -> None:
    def twice(session: Session) -> str:
        add(session, "once")
        try:
            add(session, "once")
        except IntegrityViolation as error:
            return error.constraint
        return "accepted"

    assert await engine.write(twice) == "UNIQUE constraint failed: notes.text"
    assert await engine.read(texts) == ["once"]


async def test_stop_iteration_reaches_the_caller_and_nobody_else(engine: Engine) -> None:
    def stop(session: Session) -> None:
        raise StopIteration

    async with held_up(engine):
        writes: Writes = [engine.write(stop), engine.write(add, "a")]
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert isinstance(results[0], RuntimeError)
    assert results[1] == "a"


async def test_cancelling_the_wait_harms_neither_the_use_case_nor_the_thread(
    engine: Engine,
) -> None:
    began, go_on = threading.Event(), threading.Event()

    def slow(session: Session) -> None:
        began.set()
        go_on.wait(30)
        add(session, "begun")

    waiting = asyncio.create_task(asyncio.wait_for(engine.write(slow), 30))
    await asyncio.to_thread(began.wait, 30)
    not_begun = engine.write(add, "not begun")
    not_begun.cancel()
    waiting.cancel()
    go_on.set()
    assert await engine.write(add, "next") == "next"
    assert await engine.read(texts) == ["begun", "next"]


async def test_closing_does_what_was_asked_before_and_refuses_the_rest(
    open_notes: OpenNotes, tmp_path: Path
) -> None:
    engine = open_notes(tmp_path / "notes.db")
    async with held_up(engine):
        writes = [engine.write(add, f"{n}") for n in range(10)]
        closing = asyncio.create_task(asyncio.to_thread(engine.close))
    assert await asyncio.gather(*writes) == [f"{n}" for n in range(10)]
    await closing
    with pytest.raises(DatabaseClosedError, match="initialize"):
        engine.write(add, "late")
    with pytest.raises(DatabaseClosedError):
        engine.read(texts)
    engine.close()
    engine.open()
    assert len(await engine.read(texts)) == 10


async def test_several_event_loops_write_at_once(engine: Engine) -> None:
    async def many(name: int) -> list[str]:
        return list(await asyncio.gather(*(engine.write(add, f"{name}-{n}") for n in range(50))))

    answers = await asyncio.gather(
        *(asyncio.to_thread(asyncio.run, many(name)) for name in range(4))
    )
    assert [len(each) for each in answers] == [50] * 4
    assert len(await engine.read(texts)) == 200


async def test_a_loop_that_is_gone_does_not_stop_the_others(engine: Engine) -> None:
    async def hurry() -> None:
        engine.write(add, "unheard")

    async with held_up(engine):
        await asyncio.to_thread(asyncio.run, hurry())
        heard = engine.write(add, "heard")
    assert await heard == "heard"


async def test_stores_are_of_no_use_after_their_use_case(engine: Engine) -> None:
    leaked = await engine.write(lambda session: session)
    with pytest.raises(DatabaseError, match="after its end"):
        leaked.execute("add", text="late")


async def test_values_that_no_column_can_hold_are_refused(engine: Engine) -> None:
    with pytest.raises(InvalidInputError, match="half a character"):
        await engine.write(add, "\udc80")
    with pytest.raises(InvalidInputError, match="64 bits"):
        await engine.write(lambda session: session.execute("add_child", text="a", parent=2**70))


async def test_the_log_is_emptied_when_it_grows(open_notes: OpenNotes, tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    engine = open_notes(path)
    for number in range(40):
        await engine.write(add, f"{number}" + "x" * 500_000)
    await engine.write(add, "last")
    info = await engine.info()
    assert info["size"] > 16_000_000
    assert info["wal_size"] < 8_000_000


async def test_the_last_one_out_leaves_one_file_only(open_notes: OpenNotes, tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    first, second = open_notes(path), open_notes(path)
    await first.write(add, "a")
    first.close()
    assert path.with_name("notes.db-wal").exists()
    second.close()
    assert not path.with_name("notes.db-wal").exists()
