"""What one claim costs beside many rows that it must not look at."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

from abathur.domain.tasks import TaskStatus
from abathur.infrastructure.database import Database
from abathur.ports.stores import Stores
from abathur.services import claiming, reading
from abathur.swarm.looking import has_work
from benchmarks.bulk import bulk, copy_rows
from benchmarks.hands import LEASE, WORKER, database, fill, now, sign_on
from benchmarks.results import Measured, Row, Size, ratio, rounded
from benchmarks.stores import Store, on_each

CLAIMS: Final = 300
TAKEN: Final = 2 * CLAIMS
"""Ready tasks that the small queue has: just what is claimed from it."""


def measure(folder: Path, size: Size) -> Measured:
    others = {
        TaskStatus.COMPLETED: size.pick(10_000, 1_000_000),
        TaskStatus.BLOCKED: size.pick(1_000, 100_000),
        TaskStatus.READY: size.pick(1_000, 10_000),
    }
    return Measured(
        name="claim-scale",
        title=(
            "Microseconds inside the transaction, in a queue with nothing but the tasks that are "
            f"claimed and in one with {_told(others)} besides; `whole claim` is from the call to "
            "the durable answer."
        ),
        rows=on_each(folder, lambda store: asyncio.run(_rows(store, others))),
    )


def _told(others: Mapping[TaskStatus, int]) -> str:
    return ", ".join(f"{count:,} {status.value}" for status, count in others.items())


async def _rows(store: Store, others: Mapping[TaskStatus, int]) -> list[Row]:
    small = await _filled(store.fresh(), {})
    big = await _filled(store.fresh(), others)
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
        rows.append(_row(name, *times))
    await small.close()
    await big.close()
    return rows


def _row(name: str, small: Sequence[float], big: Sequence[float]) -> Row:
    return {
        "question": name,
        "alone, µs": rounded(median(small) * 1e6),
        "beside many, µs": rounded(median(big) * 1e6),
        "ratio": ratio(median(big), median(small)),
    }


async def _filled(where: str, others: Mapping[TaskStatus, int]) -> Database:
    db = database(where)
    await db.initialize()
    await db.write(sign_on)
    await db.write(fill, TAKEN)
    await db.close()
    if others:
        with bulk(where) as run:
            (model,) = run("SELECT id FROM tasks ORDER BY id LIMIT 1")
            for status, count in others.items():
                copy_rows(run, "tasks", f"id = '{model['id']}'", _own(status), count)
    await db.initialize()
    return db


def _own(status: TaskStatus) -> dict[str, str]:
    """Ids that sort before all real ones, and no place in the order that is their own."""
    return {
        "id": f"'0-{status.value}-' || i",
        "status": f"'{status.value}'",
        "unmet_count": "1" if status is TaskStatus.BLOCKED else "0",
    }


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
