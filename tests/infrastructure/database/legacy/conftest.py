"""What tests of conversions share."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from abathur.domain.tasks import Task
from abathur.infrastructure.database import Database
from abathur.ports.stores import Stores
from abathur.services.reading import all_tasks
from abathur.services.verifying import verify

Rows = list[dict[str, Any]]


class Converted:
    """A database right after it was opened by this version."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[str] = []
        self.breaks: list[object] = []
        self.tasks: dict[str, Task] = {}
        self.tables: dict[str, Rows] = {}
        asyncio.run(self._read())
        if not self.problems:
            assert self.breaks == []

    async def _read(self) -> None:
        async with Database(self.path, busy_timeout=5) as db:
            self.problems = [problem.text for problem in await db.check(full=True)]
            # What the trail tells, from the import on, is what the tables hold.
            self.breaks = list((await db.read(verify)).breaks)
            self.tasks = {task.id: task for task in await db.read(_tasks)}
            for table in (await db.info())["rows"]:
                self.tables[table] = await db.query(f'SELECT * FROM "{table}"')
            await db.read(_histories, list(self.tasks))

    @property
    def original(self) -> Path:
        (found,) = self.path.parent.glob("*.older")
        return found

    def kept(self, table: str) -> Rows:
        return [row for row in self.tables["legacy_rows"] if row["source_table"] == table]

    def history(self, task_id: str) -> list[str]:
        return [row["action_type"] for row in self.tables["audit"] if row["task_id"] == task_id]


def _histories(stores: Stores, task_ids: list[str]) -> None:
    """What can't be read raises."""
    for task_id in task_ids:
        stores.audit.of_task(task_id)
    stores.workers.agents()


def _tasks(stores: Stores) -> list[Task]:
    return list(all_tasks(stores))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "abathur.db"


@pytest.fixture
def converted(path: Path) -> Callable[[], Converted]:
    return lambda: Converted(path)
