"""Searching by meaning: what is near is found, filters hold, and vectors follow their passages."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime
from operator import mul
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest

from abathur.domain.documents import Chunk, NewDocument
from abathur.domain.errors import InvalidInputError
from abathur.domain.memories import Memory, NewMemory
from abathur.infrastructure.database import Database
from abathur.infrastructure.database.signs import BLOCK
from abathur.ports.memory import DocumentFilter, MemoryFilter
from abathur.ports.stores import Stores
from abathur.ports.vectors import Embedded
from abathur.services import documents, embedding, remembering, searching
from abathur.services.searching import Meaning, MemoryHit
from tests import postgres

if TYPE_CHECKING:
    from tests.conformance.conftest import Queue

ANN = "cli:ann"
MODEL = "axes"
NOON: Final = datetime(2030, 1, 31, 12, tzinfo=UTC)
AXES = ("cat", "dog", "ship", "tree")


def meaning_of(text: str) -> list[float]:
    """A toy model: how often the name of each axis stands in the text, and which is like which."""
    counts = [float(text.count(name)) for name in AXES]
    cat, dog, ship, tree = counts
    return [cat + dog / 2, dog + cat / 2, ship + 0.01, tree - 0.01]


async def add(queue: Queue, key: str, text: str, **fields: Any) -> Memory:
    new = NewMemory(**{"namespace": "zoo", "key": key, "value": text, **fields})
    return await queue.write(remembering.add, new, actor=ANN, now=queue.now)


async def embed(queue: Queue, model: str = MODEL) -> int:
    done = 0
    while waiting := await queue.read(embedding.missing, model):
        vectors = [Embedded(one.passage_id, one.source, meaning_of(one.text)) for one in waiting]
        done += await queue.write(embedding.save, model, vectors)
    await queue.write(embedding.finish, model)
    return done


async def find(queue: Queue, text: str, model: str = MODEL, **where: Any) -> Sequence[MemoryHit]:
    meaning = Meaning(model, meaning_of(text))
    return await queue.read(
        searching.search_memories, text, MemoryFilter(**where), now=queue.now, meaning=meaning
    )


async def keys(queue: Queue, text: str, **where: Any) -> list[str]:
    return [hit.memory.key for hit in await find(queue, text, **where)]


async def test_what_means_the_same_is_found_without_a_common_word(queue: Queue) -> None:
    await add(queue, "pet", "the dogs bark")
    await add(queue, "sea", "a ship sails")
    assert await keys(queue, "cat") == []
    assert await embed(queue) == 2
    hits = await find(queue, "cat", limit=1)
    assert [hit.memory.key for hit in hits] == ["pet"]
    why = hits[0].why
    assert (why.words, why.word_rank, why.meaning_rank) == ([], None, 1)
    assert why.similarity is not None
    assert why.similarity > 0.7


async def test_agreement_of_words_and_meaning_comes_first(queue: Queue) -> None:
    await add(queue, "both", "cat")
    await add(queue, "meaning", "dogdog")
    await add(queue, "words", "tree tree tree cat")
    await embed(queue)
    hits = await find(queue, "cat")
    assert hits[0].memory.key == "both"
    assert (hits[0].why.word_rank, hits[0].why.meaning_rank) == (1, 1)
    assert hits[0].why.score == pytest.approx(2 / 61)


async def test_a_filter_holds_for_meanings_too(queue: Queue) -> None:
    await add(queue, "here", "dogs", namespace="zoo:here")
    await add(queue, "there", "dogs", namespace="zoo:there", created_by="bob")
    await embed(queue)
    assert await keys(queue, "cat", namespace="zoo:here") == ["here"]
    assert await keys(queue, "cat", author="bob") == ["there"]


async def test_the_few_that_a_filter_lets_through_are_found_among_many(queue: Queue) -> None:
    def fill(stores: Stores) -> None:
        for n in range(400):
            new = NewMemory(namespace="crowd", key=str(n), value="cat")
            remembering.add(stores, new, actor=ANN, now=queue.now)

    await queue.write(fill)
    await add(queue, "alone", "dogs", namespace="quiet")
    await embed(queue)
    for _ in range(2):  # The second search of a process may be done in another way.
        assert await keys(queue, "cat", namespace="quiet") == ["alone"]


async def test_a_changed_memory_is_found_by_what_it_says_now(queue: Queue) -> None:
    await add(queue, "pet", "dogs")
    await embed(queue)
    change = remembering.MemoryChange(value="ship")
    await queue.write(
        remembering.update, "zoo", "pet", change, updated_by=ANN, actor=ANN, now=queue.now
    )
    assert await keys(queue, "cat") == []
    assert await embed(queue) == 1
    (hit,) = await find(queue, "ship")
    assert hit.why.similarity == pytest.approx(1)
    assert await queue.db.check(full=True) == []


async def test_a_deleted_memory_is_not_found_by_its_meaning(queue: Queue) -> None:
    await add(queue, "pet", "dogs")
    await add(queue, "other", "dogs")
    await embed(queue)
    assert set(await keys(queue, "cat")) == {"pet", "other"}
    await queue.write(remembering.delete, "zoo", "pet", actor=ANN, now=queue.now)
    assert await keys(queue, "cat") == ["other"]


async def test_what_is_gone_hides_nothing_that_is_there(queue: Queue) -> None:
    def fill(stores: Stores) -> None:
        for n in range(400):
            new = NewMemory(namespace="crowd", key=str(n), value="cat" if n % 40 else "dog")
            remembering.add(stores, new, actor=ANN, now=queue.now)

    def thin_out(stores: Stores) -> None:
        for n in range(400):
            if n % 40:
                remembering.delete(stores, "crowd", str(n), actor=ANN, now=queue.now)

    await queue.write(fill)
    await embed(queue)
    await queue.write(thin_out)
    for _ in range(2):
        assert len(await find(queue, "cat", limit=20)) == 10


async def test_another_model_makes_all_vectors_again(queue: Queue) -> None:
    await add(queue, "pet", "dogs")
    await embed(queue)
    assert await embed(queue, "other") == 1
    assert await keys(queue, "cat", model="other") == ["pet"]
    assert await keys(queue, "cat", model=MODEL) == []
    (total,) = await queue.read(embedding.totals)
    assert await queue.read(embedding.passages) == 1
    assert (total.model, total.vectors, total.dimension) == ("other", 1, 4)
    blocks = await queue.db.query("SELECT model FROM vector_blocks")
    assert blocks == [{"model": "other"}]


async def test_signs_that_stand_in_rows_are_turned_over_and_found_the_same(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(stores: Stores) -> None:
        for n in range(20):
            new = NewMemory(namespace="zoo", key=str(n), value=AXES[n % 4])
            remembering.add(stores, new, actor=ANN, now=queue.now)

    monkeypatch.setattr("abathur.infrastructure.database.stores.vectors.BLOCK", 8)
    await queue.write(fill)
    # As before, when none were turned over.
    await embed(queue)
    before = await find(queue, "cat", limit=20)
    assert await layouts(queue) == ["rows", "rows", "rows"]
    monkeypatch.setattr("abathur.infrastructure.database.signs.BLOCK", 8)
    while await queue.read(embedding.is_behind, MODEL):
        await queue.write(embedding.catch_up, MODEL)
    assert await layouts(queue) == ["rows", "slices", "slices"]
    assert await find(queue, "cat", limit=20) == before
    await add(queue, "late", "cat")
    await embed(queue)
    assert len(await find(queue, "cat", limit=40)) == len(before) + 1
    assert await queue.db.check(full=True) == []


async def layouts(queue: Queue) -> list[str]:
    return [
        row["layout"]
        for row in await queue.db.query("SELECT layout FROM vector_blocks ORDER BY layout")
    ]


async def test_vectors_that_another_model_made_meanwhile_are_still_found(queue: Queue) -> None:
    await add(queue, "pet", "dogs")
    await embed(queue, "other")
    await queue.write(embedding.finish, MODEL)
    assert await keys(queue, "cat", model="other") == ["pet"]


async def test_what_is_gone_when_its_vector_comes_is_left_out(queue: Queue) -> None:
    await add(queue, "pet", "dogs")
    (waiting,) = await queue.read(embedding.missing, MODEL)
    await queue.write(remembering.delete, "zoo", "pet", actor=ANN, now=queue.now)
    late = [Embedded(waiting.passage_id, waiting.source, [1.0])]
    assert await queue.write(embedding.save, MODEL, late) == 0


@pytest.mark.parametrize("vector", [[0.0, 0.0], [float("nan"), 1.0], [float("inf"), 1.0], []])
async def test_a_vector_without_a_direction_is_refused(queue: Queue, vector: list[float]) -> None:
    await add(queue, "pet", "dogs")
    (waiting,) = await queue.read(embedding.missing, MODEL)
    with pytest.raises(InvalidInputError, match="direction"):
        await queue.write(
            embedding.save, MODEL, [Embedded(waiting.passage_id, waiting.source, vector)]
        )
    meaning = Meaning(MODEL, vector)
    hits = await queue.read(
        searching.search_memories, "", MemoryFilter(), now=queue.now, meaning=meaning
    )
    assert hits == []


async def test_a_place_in_a_document_is_found_by_its_meaning(queue: Queue) -> None:
    new = NewDocument(
        file_path="a.md",
        title="A",
        document_type="markdown",
        content_hash="1",
        chunks=(Chunk("Pets", "dogs", 1, 2), Chunk("Sea", "ship", 3, 4)),
    )
    await queue.write(documents.index, new, actor=ANN, now=queue.now)
    await embed(queue)
    found = await queue.read(
        documents.search, "cat", DocumentFilter(limit=1), meaning=Meaning(MODEL, meaning_of("cat"))
    )
    assert [(hit.heading, hit.first_line) for hit in found] == [("Pets", 1)]


async def test_a_server_compares_by_its_extension_as_soon_as_it_has_caught_up(
    postgres_url: str,
) -> None:
    async with Database(postgres_url) as db:
        queue: Any = SimpleNamespace(db=db, write=db.write, read=db.read, now=db.clock().now())
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            has_it = "SELECT 1 FROM pg_available_extensions WHERE name = 'vector'"
            if not postgres.IS_OURS and connection.execute(has_it).fetchone() is None:
                pytest.skip("THIS POSTGRESQL SERVER HAS NO PGVECTOR")
            await add(queue, "cat", "a cat")
            await embed(queue)
            assert connection.execute("SELECT count(*) FROM vector_index").fetchone() == (1,)
            # Somebody takes the extension away, and brings it back.
            connection.execute("DROP EXTENSION vector CASCADE")
            await add(queue, "sea", "a ship")
            await embed(queue)
            assert await keys(queue, "dog", limit=1) == ["cat"]
            connection.execute("CREATE EXTENSION vector")
            assert await db.read(embedding.is_behind, MODEL)
            assert await keys(queue, "dog", limit=1) == ["cat"]
            await db.write(embedding.catch_up, MODEL)
            assert not await db.read(embedding.is_behind, MODEL)
            assert connection.execute("SELECT count(*) FROM vector_index").fetchone() == (2,)
            # From here on nothing but the extension's table is looked at.
            connection.execute("DELETE FROM vector_blocks")
            assert await keys(queue, "dog", limit=1) == ["cat"]
            assert await keys(queue, "ships", limit=1, namespace="zoo") == ["sea"]
            # What ANALYZE would tell of many more.
            connection.execute(
                "UPDATE pg_class SET reltuples = 1e6 WHERE relname = "
                "vector_index_name('memory', 'axes', 4)"
            )
            assert await keys(queue, "dog", limit=1) == ["cat"]
            await db.write(remembering.delete, "zoo", "cat", actor=ANN, now=queue.now)
            assert await keys(queue, "dog") == ["sea"]


async def test_the_nearest_of_many_are_nearly_those_of_an_exact_search() -> None:
    chance = random.Random(1)
    centres = [[chance.gauss(0, 1) for _ in range(64)] for _ in range(40)]

    def near(n: int) -> list[float]:
        return [x + chance.gauss(0, 0.6) for x in centres[n % 40]]

    vectors = [near(n) for n in range(BLOCK + 500)]
    lengths = [sum(x * x for x in vector) ** 0.5 for vector in vectors]
    async with Database(":memory:") as db:
        ids = await db.write(_filled, len(vectors))
        made = [Embedded(one, "memory", vector) for one, vector in zip(ids, vectors, strict=True)]
        await db.write(embedding.save, MODEL, made)
        agreed = 0
        for number in range(10):
            wanted = near(number)
            cosines = [
                sum(map(mul, wanted, vector)) / length
                for vector, length in zip(vectors, lengths, strict=True)
            ]
            best = sorted(range(len(vectors)), key=cosines.__getitem__)[-10:]
            hits = await db.read(_nearest, wanted)
            agreed += len({one for one, _ in hits} & {ids[n] for n in best})
    assert agreed >= 98


def _filled(stores: Stores, number: int) -> list[int]:
    """Ids of so many passages."""
    for n in range(number):
        new = NewMemory(namespace="crowd", key=str(n), value="x")
        remembering.add(stores, new, actor=ANN, now=NOON)
    return [one.passage_id for one in embedding.missing(stores, MODEL, 0, number)]


def _nearest(stores: Stores, wanted: list[float]) -> Sequence[tuple[int, float]]:
    return stores.vectors.nearest("memory", MODEL, wanted, 10)
