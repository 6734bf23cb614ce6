"""What an open database of ours says about its own durability."""

from __future__ import annotations

from typing import Final

from abathur.infrastructure.database import Database
from benchmarks.results import Cell

SYNCHRONOUS: Final = ("OFF", "NORMAL", "FULL", "EXTRA")
LINKS: Final = 16
"""Connections of a pool, at most, for each queue on PostgreSQL alike."""
SHOWN: Final = ("fsync", "synchronous_commit", "full_page_writes", "server_version")


async def sqlite(db: Database) -> dict[str, Cell]:
    async def one(sql: str) -> object:
        (row,) = await db.query(sql)
        return next(iter(row.values()))

    return {
        "journal_mode": str(await one("PRAGMA journal_mode")),
        "synchronous": SYNCHRONOUS[int(str(await one("PRAGMA synchronous")))],
        "sqlite": str(await one("SELECT sqlite_version()")),
    }


async def postgresql(db: Database) -> dict[str, Cell]:
    told: dict[str, Cell] = {}
    for name in SHOWN:
        (row,) = await db.query(f"SELECT current_setting('{name}') AS value")
        told[name] = str(row["value"])
    return told
