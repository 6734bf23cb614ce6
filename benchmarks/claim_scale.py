"""What one claim costs beside many rows that it must not look at."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

import apsw

from abathur.domain.tasks import TaskStatus
from abathur.infrastructure.database import Database
from abathur.infrastructure.database.engines.sqlite import connect
from abathur.ports.stores import Stores
from abathur.services import claiming, reading
from abathur.swarm.dispatcher import has_work
from benchmarks.hands import LEASE, WORKER, fill, now, open_queue
from benchmarks.results import Measured, Row, Size, ratio, rounded

READY: Final = 1000
BLOCKED: Final = 10_000
CLAIMS: Final = 300

# Copies of the first task, each with an id that sorts before all real ones.
COPIES: Final = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)
INSERT INTO tasks ({columns})
SELECT {values} FROM n, (SELECT * FROM tasks ORDER BY id DESC LIMIT 1)
"""


def measure(folder: Path, size: Size) -> Measured:
    finished = size.pick(100_000, 1_000_000)
    return Measured(
        name="claim-scale",
        title=(
            f"Microseconds inside the transaction, {READY:,} tasks ready and {BLOCKED:,} blocked; "
            "`whole claim` is from the call to the durable answer."
        ),
        rows=asyncio.run(_rows(folder, finished)),
    )


async def _rows(folder: Path, finished: int) -> list[Row]:
    small = await _filled(folder / "small", 0)
    big = await _filled(folder / "big", finished)
    rows: list[Row] = []
    for name, once, rounds in (
        # Before any claim: every running task is a row more of the status.
        ("is the swarm idle?", _is_idle, 20),
        ("is there work?", _has_work, CLAIMS),
        ("claim", _claim, CLAIMS),
        ("whole claim", _whole_claim, CLAIMS),
    ):
        times: tuple[list[float], list[float]] = ([], [])
        for _ in range(rounds):
            for place, db in zip(times, (small, big), strict=True):
                place.append(await once(db))
        rows.append(_row(name, finished, *times))
    await small.close()
    await big.close()
    return rows


def _row(name: str, finished: int, small: Sequence[float], big: Sequence[float]) -> Row:
    return {
        "question": name,
        "0 finished, µs": rounded(median(small) * 1e6),
        f"{finished:,} finished, µs": rounded(median(big) * 1e6),
        "ratio": ratio(median(big), median(small)),
    }


async def _filled(folder: Path, finished: int) -> Database:
    db = await open_queue(folder)
    await db.write(fill, READY)
    await db.close()
    connection = connect(str(db.path), busy_timeout=0)
    connection.execute("BEGIN IMMEDIATE")
    for status, count in ((TaskStatus.COMPLETED, finished), (TaskStatus.BLOCKED, BLOCKED)):
        if count:
            _copy(connection, status, count)
    connection.execute("COMMIT")
    connection.close()
    await db.initialize()
    return db


def _copy(connection: apsw.Connection, status: TaskStatus, count: int) -> None:
    columns = [row[1] for row in connection.execute("PRAGMA table_info(tasks)")]
    own = {
        "id": f"printf('00000000-{status.value}-%08d', i)",
        "status": f"'{status.value}'",
        "unmet_count": "1" if status is TaskStatus.BLOCKED else "0",
    }
    values = ", ".join(own.get(column, column) for column in columns)
    sql = COPIES.format(columns=", ".join(columns), values=values)
    connection.execute(sql, {"count": count})


async def _claim(db: Database) -> float:
    def claim(stores: Stores) -> float:
        return _seconds(
            lambda: claiming.claim(stores, worker_id=WORKER, limit=1, now=now(), lease=LEASE)
        )

    return await db.write(claim)


async def _whole_claim(db: Database) -> float:
    begin = time.perf_counter()
    await db.write(claiming.claim, worker_id=WORKER, limit=1, now=now(), lease=LEASE)
    return time.perf_counter() - begin


async def _has_work(db: Database) -> float:
    return await db.read(lambda stores: _seconds(lambda: has_work(stores, now())))


async def _is_idle(db: Database) -> float:
    return await db.read(lambda stores: _seconds(lambda: reading.is_idle(stores)))


def _seconds(work: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin
