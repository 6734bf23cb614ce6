"""Memories, documents and sessions are found again wherever a database goes."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from abathur.domain.documents import Chunk, NewDocument
from abathur.domain.memories import NewMemory
from abathur.domain.sessions import NewSession
from abathur.infrastructure.database import Database
from abathur.infrastructure.database.copying import bulk, copy
from abathur.infrastructure.database.engines.sqlite import connect
from abathur.infrastructure.database.recovery.recover import recover
from abathur.ports.memory import DocumentFilter, MemoryFilter
from abathur.ports.stores import Stores
from abathur.ports.vectors import Embedded
from abathur.services import documents, embedding, remembering, searching, sessions
from abathur.services.searching import Meaning
from tests import postgres

NOW: Final = datetime(2030, 1, 31, 12, tzinfo=UTC)
ANN: Final = "cli:ann"
MODEL: Final = "two"


@pytest.fixture
def target(postgres_server: str) -> Iterator[str]:
    """The URL of a database without tables."""
    with postgres.made_database(postgres_server, f"memories_{os.getpid()}") as url:
        yield url


@pytest.fixture
async def source(tmp_path: Path) -> Path:
    path = tmp_path / "queue.db"
    async with Database(path) as db:
        await db.write(fill)
        await db.write(embed)
    return path


def fill(stores: Stores) -> None:
    for key, text in (("pet", "the dog barks"), ("sea", "a ship sails"), ("gone", "x")):
        new = NewMemory(namespace="zoo", key=key, value={"text": text})
        remembering.add(stores, new, actor=ANN, now=NOW)
    remembering.delete(stores, "zoo", "gone", actor=ANN, now=NOW)
    document = NewDocument(
        file_path="a.md",
        title="A",
        document_type="markdown",
        content_hash="1",
        chunks=(Chunk("Pets", "feeding cats", 3, 4),),
    )
    documents.index(stores, document, actor=ANN, now=NOW)
    session = NewSession(id="s1", app_name="a", user_id="u", state={"user:k": 1}, metadata={})
    sessions.create(stores, session, actor=ANN, now=NOW)
    sessions.append_event(stores, "s1", {"n": 1}, now=NOW)


def embed(stores: Stores) -> None:
    made = [
        Embedded(one.passage_id, one.source, [1.0, float(place)])
        for place, one in enumerate(embedding.missing(stores, MODEL))
    ]
    embedding.save(stores, MODEL, made)


async def assert_all_is_found(place: Path | str) -> None:
    async with Database(place) as db:
        meaning = Meaning(MODEL, [1.0, 0.0])
        where = MemoryFilter(namespace="zoo")
        by_words = await db.read(searching.search_memories, "dogs", where, now=NOW)
        assert [hit.memory.key for hit in by_words] == ["pet"]
        by_meaning = await db.read(searching.search_memories, "", where, now=NOW, meaning=meaning)
        assert [hit.memory.key for hit in by_meaning] == ["pet", "sea"]
        (hit,) = await db.read(documents.search, "cat", DocumentFilter())
        assert (hit.file_path, hit.first_line) == ("a.md", 3)
        assert await db.read(sessions.state, "s1") == {"user:k": 1}
        assert len(await db.read(sessions.events, "s1")) == 1
        assert await db.check(full=True) == []
        await db.write(remembering.restore, "zoo", "gone", actor=ANN, now=NOW)
        new = NewMemory(namespace="zoo", key="new", value="a parrot")
        await db.write(remembering.add, new, actor=ANN, now=NOW)
        assert await db.check(full=True) == []


def copied(source: Path | str, target: Path | str) -> None:
    copy(bulk(str(source)), bulk(str(target)), lambda _: False, NOW)


async def test_in_a_copy_all_is_found(source: Path, tmp_path: Path) -> None:
    copied(source, tmp_path / "copy.db")
    await assert_all_is_found(tmp_path / "copy.db")


async def test_on_a_server_and_back_again_all_is_found(
    source: Path, target: str, tmp_path: Path
) -> None:
    copied(source, target)
    copied(target, tmp_path / "back.db")
    await assert_all_is_found(target)
    await assert_all_is_found(tmp_path / "back.db")


async def test_in_a_recovered_file_all_is_found(source: Path, tmp_path: Path) -> None:
    recover(source, tmp_path / "new.db")
    await assert_all_is_found(tmp_path / "new.db")


async def test_vectors_whose_signs_are_lost_are_told_and_found_again(source: Path) -> None:
    async with Database(source) as db:
        connection = connect(str(source), busy_timeout=5)
        connection.execute("DELETE FROM vector_blocks")
        connection.close()
        (told,) = await db.check()
        assert told.code == "vector_unlisted"
        assert "3 vectors of model two can't be found; run `abathur mem embed`" in told.text
        await db.write(embedding.finish, MODEL)
        assert await db.check(full=True) == []
    await assert_all_is_found(source)


async def test_words_that_another_process_has_indexed_anew_are_not_called_damaged(
    source: Path,
) -> None:
    async with Database(source) as db:
        for _ in range(4):
            assert await db.check(full=True) == []
        connection = connect(str(source), busy_timeout=5)
        connection.execute("INSERT INTO passage_words (passage_words) VALUES ('rebuild')")
        connection.close()
        for _ in range(4):
            assert await db.check(full=True) == []


async def test_what_contradicts_itself_is_told(source: Path) -> None:
    async with Database(source) as db:
        await db.write(_contradict)
        codes = {problem.code for problem in await db.check()}
    assert codes == {"memory_passage", "document_passages"}


def _contradict(stores: Stores) -> None:
    pet = stores.memories.get("zoo", "pet")
    document = stores.documents.get("a.md")
    assert pet
    assert document
    stores.passages.drop_memory(pet.id)
    stores.passages.set_document(document.id, ())
