"""A trail of schema 1, whose rows have no hashes: it is whole, and chained by the upgrade."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from abathur.domain.audit import Action
from abathur.domain.tasks import TaskStatus
from abathur.infrastructure.database import Database, migrate
from abathur.infrastructure.database.engines.sqlite import connect
from abathur.infrastructure.database.engines.sqlite_engine import SqliteEngine
from abathur.infrastructure.database.queries import Statements
from abathur.ports.stores import TaskFilter
from abathur.services import trail, verifying
from abathur.services.replaying import tasks_at

ROWS = Path(__file__).parents[2] / "fixtures" / "schema_1.sql"
NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)
KEPT = "id, timestamp, task_id, actor, action_type, action_data"
WITHOUT_TASK = "INSERT INTO audit (timestamp, actor, action_type, result, memory_entry_id)"


@pytest.fixture
def old_file(tmp_path: Path) -> Path:
    path = tmp_path / "queue.db"
    first = migrate.load("sqlite")[:1]
    prepare = partial(migrate.upgrade, migrations=first)
    engine = SqliteEngine(
        path, statements=Statements(), open_stores=lambda session: session, prepare=prepare
    )
    engine.open()
    engine.close()
    with closing(connect(str(path), busy_timeout=10)) as raw:
        raw.execute("PRAGMA foreign_keys = OFF")
        raw.execute(ROWS.read_text(encoding="utf-8"))
        raw.execute(f"{WITHOUT_TASK} VALUES ('2030-01-31', 'someone', 'looked', 'nothing', 7)")
    return path


def old_rows(path: Path) -> Sequence[tuple[Any, ...]]:
    with closing(connect(str(path), busy_timeout=10)) as raw:
        return raw.execute(f"SELECT {KEPT} FROM audit WHERE id <= 39 ORDER BY id").fetchall()


async def test_the_trail_verifies_and_goes_on_where_it_was(old_file: Path) -> None:
    before = old_rows(old_file)
    assert len(before) == 39
    async with Database(old_file) as db:
        verified = await db.read(verifying.verify)
        assert list(map(str, verified.breaks)) == []
        assert await db.check(full=True) == []
        now = NOON + timedelta(hours=1)
        first = before[0][2]
        await db.write(
            lambda stores: trail.record(stores, Action.TASK_RERANKED, first, "a", now, rank=1)
        )
        last = verified.entries
        (entry,) = await db.read(lambda stores: stores.audit.after(last))
        assert entry.id == last + 1
        again = await db.read(verifying.verify, [first])
        assert [one.what.partition(" ")[0] for one in again.breaks] == ["rank"]
    assert old_rows(old_file) == before


async def test_its_past_is_told(old_file: Path) -> None:
    async with Database(old_file) as db:
        everything = TaskFilter(limit=100)
        then = [
            [task.status for task in await db.read(tasks_at, moment, everything)]
            for moment in (NOON - timedelta(1), NOON, NOON + timedelta(seconds=3))
        ]
    S = TaskStatus  # noqa: N806
    assert then == [
        [],
        [S.READY, S.READY, S.BLOCKED, S.BLOCKED, S.BLOCKED, S.READY, S.BLOCKED],
        [S.RUNNING, S.READY, S.BLOCKED, S.BLOCKED, S.BLOCKED, S.FAILED, S.CANCELLED],
    ]
