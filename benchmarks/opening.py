"""How long a database takes to open: one that isn't there yet, a small one and a big one."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from statistics import median
from typing import Final

from abathur.infrastructure.database import Database
from benchmarks.bulk import Run, bulk, copy_rows
from benchmarks.hands import Hands, database, sign_on
from benchmarks.results import Measured, Row, Size, rounded
from benchmarks.stores import Store, on_each

TABLES: Final = {
    "tasks": ("id = '{task}'", {"id": "'copy-' || {i}"}),
    "attempts": ("task_id = '{task}'", {"task_id": "'copy-' || {i}"}),
    "landings": ("task_id = '{task}'", {"id": "'landing-' || {i}", "task_id": "'copy-' || {i}"}),
    "audit": ("task_id = '{task}'", {"id": "{last} * ({i} + 1) + id", "task_id": "'copy-' || {i}"}),
}
"""The rows of a task that has landed, and what differs in each copy of them."""


def measure(folder: Path, size: Size) -> Measured:
    wanted = size.pick(5, 1000) * 1_000_000
    rounds = size.pick(2, 15)
    return Measured(
        name="open",
        title=(
            "Milliseconds from the call that opens a database until it takes work, and to close "
            "it again, in a process that runs already."
        ),
        rows=on_each(folder, lambda store: asyncio.run(_rows(store, wanted, rounds))),
    )


async def _rows(store: Store, wanted: int, rounds: int) -> list[Row]:
    fresh = [await _times(database(store.fresh())) for _ in range(rounds)]
    small, big = store.fresh(), store.fresh()
    await _work_once(small)
    await _work_once(big)
    await _grow(big, wanted)
    again: list[tuple[float, float]] = []
    grown: list[tuple[float, float]] = []
    for _ in range(rounds):
        again.append(await _times(database(small)))
        grown.append(await _times(database(big)))
    return [
        _row("none yet", 0, fresh),
        _row("one task", 1, again),
        _row(f"{wanted / 1e9:g} GB", await _count(big), grown),
    ]


def _row(name: str, tasks: int, times: list[tuple[float, float]]) -> Row:
    return {
        "database": name,
        "tasks": tasks,
        "open ms": rounded(median(opened for opened, _ in times) * 1000),
        "slowest open ms": rounded(max(opened for opened, _ in times) * 1000),
        "close ms": rounded(median(closed for _, closed in times) * 1000),
    }


async def _times(db: Database) -> tuple[float, float]:
    begin = time.perf_counter()
    await db.initialize()
    opened = time.perf_counter()
    await db.close()
    return opened - begin, time.perf_counter() - opened


async def _work_once(where: str) -> None:
    async with database(where) as db:
        await db.write(sign_on)
        await Hands(db).cycle()


async def _grow(where: str, wanted: int) -> None:
    """Copy the one task until there are at least so many bytes."""
    made, count = 0, 1000
    while (size := await _size(where)) < wanted:
        if made:
            # The first copies say how big one is.
            count = int((wanted - size) / (size / made)) + 1
        with bulk(where) as run:
            _copy(run, made, count)
        made += count


def _copy(run: Run, made: int, count: int) -> None:
    (task,) = run("SELECT id FROM tasks WHERE id NOT LIKE 'copy-%'")
    (audit,) = run(f"SELECT max(id) AS last FROM audit WHERE task_id = '{task['id']}'")
    for table, (model, own) in TABLES.items():
        # Ids go on where those of the copies before end.
        ids = {
            name: value.format(last=audit["last"], i=f"(i + {made})") for name, value in own.items()
        }
        copy_rows(run, table, model.format(task=task["id"]), ids, count)


async def _size(where: str) -> int:
    async with database(where) as db:
        return int((await db.info())["size"])


async def _count(where: str) -> int:
    async with database(where) as db:
        (row,) = await db.query("SELECT count(*) AS n FROM tasks")
        return int(row["n"])
