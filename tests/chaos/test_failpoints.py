"""A point strikes once, at the call that was chosen, and costs the parts nothing else."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from abathur import bootstrap
from abathur.bootstrap import supervision
from abathur.chaos.failpoints import Failpoints
from abathur.chaos.points import Moment, Point
from abathur.domain.tasks import NewTask
from abathur.infrastructure.database import Database
from abathur.ports.stores import Stores, TaskFilter
from abathur.services.submitting import submit
from abathur.swarm.parts import Parts


class Struck(BaseException):
    pass


def strike() -> None:
    raise Struck


async def armed(root: Path, db: Database, target: str | None, call: int = 1) -> tuple[Any, Parts]:
    (root / ".abathur").mkdir(exist_ok=True)
    point = Point.parse(target) if target else None
    failpoints = Failpoints(point, call, strike)
    found: list[Parts] = []

    def into(parts: Parts) -> Parts:
        found.append(failpoints.into(parts))
        return found[0]

    project = bootstrap.load_project(root, env={})
    await supervision.build_supervisor(project, db, lambda _: None, is_own=True, into=into)
    return failpoints, found[0]


async def queue_one(parts: Parts) -> None:
    now = parts.clock.now()
    new = NewTask(prompt="x")
    await parts.db.write(submit, new, task_id=parts.new_id(), now=now, actor="test")


async def count(db: Database) -> int:
    def tasks(stores: Stores) -> int:
        return len(stores.tasks.select(TaskFilter()))

    return await db.read(tasks)


@pytest.mark.parametrize(("moment", "stored"), [("before", 0), ("within", 0), ("after", 1)])
async def test_a_transaction_has_three_moments(git_repo: Path, moment: str, stored: int) -> None:
    async with Database(git_repo / "queue.db") as db:
        _, parts = await armed(git_repo, db, f"db.submit {moment}")
        with pytest.raises(Struck):
            await queue_one(parts)
        assert await count(db) == stored


async def test_the_chosen_call_is_struck_and_no_other(git_repo: Path) -> None:
    async with Database(git_repo / "queue.db") as db:
        failpoints, parts = await armed(git_repo, db, "db.submit after", call=2)
        await queue_one(parts)
        with pytest.raises(Struck):
            await queue_one(parts)
        await queue_one(parts)
        assert failpoints.reached[Point("db.submit", Moment.AFTER)] == 3


async def test_a_method_of_a_port_has_a_point_on_either_side(git_repo: Path) -> None:
    async with Database(git_repo / "queue.db") as db:
        failpoints, parts = await armed(git_repo, db, None)
        head = await parts.repository.resolve("HEAD")
        assert head is not None
        assert failpoints.reached == {}
        await parts.repository.salvage("t", 1, head)
        reached = {str(point): calls for point, calls in failpoints.reached.items()}
        assert reached == {"repository.salvage before": 1, "repository.salvage after": 1}


async def test_what_happens_in_a_strike_reaches_no_point() -> None:
    struck: list[int] = []

    def again() -> None:
        struck.append(1)
        failpoints.reach("a", Moment.BEFORE)

    failpoints = Failpoints(Point("a", Moment.BEFORE), 1, again)
    failpoints.reach("a", Moment.BEFORE)
    await asyncio.to_thread(failpoints.reach, "a", Moment.BEFORE)
    assert struck == [1]
    assert failpoints.reached[Point("a", Moment.BEFORE)] == 2
