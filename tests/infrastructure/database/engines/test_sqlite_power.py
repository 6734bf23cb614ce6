"""Power cuts, put together from what the disk was told: no acknowledged commit is missing."""

import asyncio
import pickle
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from abathur.infrastructure.database import Database
from abathur.infrastructure.database.engines.sqlite import connect
from tests.infrastructure.database.engines import power

ROOT = Path(__file__).resolve().parents[4]
IMAGES = 200
RECORD = f"""
import asyncio, sys
from {power.__name__} import record
asyncio.run(record(*sys.argv[1:]))
"""


async def make(path: Path) -> None:
    async with Database(path):
        return


def recorded(folder: Path, synchronous: str) -> tuple[bytes, Sequence[power.Event]]:
    """The file before, and what the disk was told then."""
    path, log = folder / "queue.db", folder / "log"
    asyncio.run(make(path))
    content = path.read_bytes()
    command = [sys.executable, "-c", RECORD, str(path), synchronous, str(log)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=60)
    return content, pickle.loads(log.read_bytes())


def lost(folder: Path, image: tuple[frozenset[str], bytes, bytes]) -> list[str]:
    """What is wrong after the cut: ids that were acknowledged and are gone, or damage."""
    acknowledged, content, log = image
    path = folder / "after.db"
    path.write_bytes(content)
    path.with_name("after.db-wal").write_bytes(log)
    connection = connect(str(path), busy_timeout=1)
    try:
        rows = connection.execute("SELECT task_id FROM audit").fetchall()
        damage = [line for (line,) in connection.execute("PRAGMA integrity_check")]
    finally:
        connection.close()
        for suffix in ("-wal", "-shm"):
            path.with_name(f"after.db{suffix}").unlink(missing_ok=True)
    missing = acknowledged - {name for (name,) in rows}
    return [*sorted(missing), *(line for line in damage if line != "ok")]


def cuts(folder: Path, synchronous: str) -> list[list[str]]:
    content, events = recorded(folder, synchronous)
    assert {event.what for event in events if event.kind == "sync"} == {"", "-wal"}, "no checkpoint"
    images = list(power.images(content, events, seed=7))
    chosen = random.Random(7).sample(images, min(IMAGES, len(images)))
    return [lost(folder, image) for image in chosen]


def test_no_power_cut_takes_what_was_acknowledged(tmp_path: Path) -> None:
    assert [found for found in cuts(tmp_path, "FULL") if found] == []


def test_with_less_syncing_the_same_cuts_would_take_some(tmp_path: Path) -> None:
    """So the test before can fail."""
    assert [found for found in cuts(tmp_path, "NORMAL") if found] != []
