"""Pruning: only what has ended and nobody needs goes, with all that belongs to it but its trail."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from abathur.domain.audit import Action
from abathur.domain.tasks import Task, TaskStatus
from abathur.infrastructure.database.stores.upkeep import CLEARING_UP
from abathur.ports.upkeep import PruneFilter
from abathur.services import claiming, pruning, verifying
from abathur.services.pruning import Pruned, Selection

if TYPE_CHECKING:
    from tests.conformance.conftest import Queue

ALL = PruneFilter()


async def select(queue: Queue, where: PruneFilter = ALL, **more: Any) -> Selection:
    """Long after the swarm may have cleared away what the tasks left."""
    late = queue.now + timedelta(days=1)
    wanted: dict[str, Any] = {"now": late, "in_git": {}, **more}
    return await queue.read(pruning.select, where, **wanted)


async def prune(queue: Queue, selection: Selection) -> Pruned:
    return await queue.write(pruning.prune, selection.tasks, now=queue.now, actor="cli:alice")


def ids(selection: Selection) -> list[str]:
    return sorted(task.id for task in selection.tasks)


def reasons(selection: Selection) -> Mapping[str, str]:
    return {kept.task.id: kept.reason for kept in selection.kept}


async def completed(queue: Queue, *needs: Task, **fields: Any) -> Task:
    await queue.submit(*needs, **fields)
    return await queue.complete_next()


async def test_a_task_goes_with_everything_but_its_trail(queue: Queue) -> None:
    await queue.submit()
    claimed = await queue.claim_one()
    await queue.start(claimed)
    await queue.land(claimed)
    task = claimed.task
    trail = await queue.audit(task)
    done = await prune(queue, await select(queue))
    assert [one.id for one in done.tasks] == [task.id]
    assert done.rows == {
        "tasks": 1, "attempts": 1, "landings": 1, "agents": 1, "reviews": 0,
        "run_events": 0, "checkpoints": 0, "task_dependencies": 0,
    }  # fmt: skip
    contents = await queue.contents()
    assert {table: rows for table, rows in contents.items() if rows and table != "audit"} == {}
    *before, last = await queue.audit(task)
    assert before == list(trail)
    assert (last.action_type, last.actor) == (Action.TASK_PRUNED, "cli:alice")
    assert last.action_data["status"] == ["completed", None]
    assert (await queue.read(verifying.verify)).breaks == []
    assert await queue.db.check(full=True) == []


async def test_only_ended_tasks_go(queue: Queue) -> None:
    await completed(queue)
    await queue.submit(max_retries=0)
    await queue.fail_next()
    await queue.cancel(await queue.submit())
    await queue.submit()
    await queue.claim_one()
    await queue.submit(not_before=queue.now + queue.lease)
    await queue.submit(await queue.submit())
    by_name = PruneFilter(ids=[row["id"] for row in await queue.db.query("SELECT id FROM tasks")])
    assert ids(await select(queue, by_name)) == ids(await select(queue))
    done = await prune(queue, await select(queue))
    assert {task.status for task in done.tasks} == {
        TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED
    }  # fmt: skip
    left = {row["status"] for row in await queue.db.query("SELECT status FROM tasks")}
    assert left == {"running", "pending", "ready", "blocked"}
    assert await queue.db.check(full=True) == []


async def test_it_goes_by_status_and_time(queue: Queue) -> None:
    old = await completed(queue)
    queue.pass_time(3600)
    new = await completed(queue)
    await queue.submit(max_retries=0)
    failed = await queue.fail_next()
    hour = PruneFilter(before=queue.now - timedelta(minutes=30))
    assert ids(await select(queue, hour)) == [old.id]
    named = PruneFilter(before=new.completed_at, ids=[old.id, new.id])
    assert ids(await select(queue, named)) == [old.id]
    assert ids(await select(queue, PruneFilter(statuses=[TaskStatus.FAILED]))) == [failed.id]
    both = PruneFilter(statuses=[TaskStatus.COMPLETED], ids=[new.id, failed.id])
    assert ids(await select(queue, both)) == [new.id]


async def test_a_task_that_another_one_depends_on_stays(queue: Queue) -> None:
    base = await completed(queue)
    waiting = await queue.submit(base)
    selection = await select(queue)
    assert ids(selection) == []
    assert reasons(selection) == {base.id: f"task {waiting.id} depends on it"}


async def test_what_failed_stays_as_long_as_what_it_took_along(queue: Queue) -> None:
    dead = await queue.submit(max_retries=0)
    along = await queue.submit(dead)
    await queue.fail_next()
    assert ids(await select(queue, PruneFilter(ids=[dead.id]))) == []
    assert ids(await select(queue, PruneFilter(ids=[dead.id, along.id]))) == [dead.id, along.id]


async def test_a_whole_stays_as_long_as_a_part(queue: Queue) -> None:
    whole = await completed(queue)
    part = await queue.submit(parent_task_id=whole.id)
    assert reasons(await select(queue)) == {whole.id: f"task {part.id} is a part of it"}
    await queue.complete_next()
    assert ids(await select(queue)) == [whole.id, part.id]


async def test_a_tree_is_all_that_belongs_to_it(queue: Queue) -> None:
    root = await completed(queue)
    part = await completed(queue, parent_task_id=root.id)
    after = await completed(queue, part)
    other = await completed(queue)
    found = await queue.read(pruning.with_relations, [root.id])
    assert sorted(found) == [root.id, part.id, after.id]
    assert other.id not in found


async def test_a_chain_longer_than_a_page_goes_as_a_whole(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "PAGE", 3)
    chain: list[Task] = []
    for _ in range(10):
        chain.append(await completed(queue, *chain[-1:]))
    selection = await select(queue)
    assert [task.id for task in selection.tasks] == [task.id for task in reversed(chain)]
    assert ids(await select(queue, limit=4)) == [task.id for task in chain[-4:]]
    await prune(queue, selection)
    assert await queue.db.check(full=True) == []


async def test_what_git_still_holds_stays_unless_forced(queue: Queue) -> None:
    task = await completed(queue)
    in_git = {task.id: "its branch task/x is still there"}
    assert reasons(await select(queue, in_git=in_git)) == in_git
    assert ids(await select(queue, in_git=in_git, force=True)) == [task.id]


async def test_what_a_living_swarm_may_still_clear_away_stays(queue: Queue) -> None:
    task = await completed(queue)
    selection = await select(queue, now=queue.now)
    assert list(reasons(selection)) == [task.id]
    await queue.submit()
    done = await queue.land(await queue.claim_one("w2"))
    assert done.task.completed_at is not None
    cleared_up = done.task.completed_at + CLEARING_UP
    await queue.write(lambda stores: stores.workers.mark_stopped("w1", queue.now))
    assert ids(await select(queue, now=queue.now)) == [task.id]
    # Not any more once its worker's lease is over, and not for ever while that is renewed.
    assert ids(await select(queue, now=queue.now + queue.lease)) == [task.id, done.task.id]
    await queue.write(claiming.renew, worker_id="w2", now=cleared_up, lease=queue.lease)
    a_moment = timedelta(seconds=1)
    assert ids(await select(queue, now=cleared_up - a_moment)) == [task.id]
    assert ids(await select(queue, now=cleared_up)) == [task.id, done.task.id]


async def test_what_was_retried_meanwhile_stays(queue: Queue) -> None:
    await queue.submit(max_retries=0)
    failed = await queue.fail_next()
    selection = await select(queue)
    await queue.retry(failed)
    assert (await prune(queue, selection)).tasks == []
    assert (await queue.task(failed)).status is TaskStatus.READY


async def test_what_a_new_task_has_come_to_need_stays(queue: Queue) -> None:
    base = await completed(queue)
    selection = await select(queue)
    await queue.submit(base)
    assert (await prune(queue, selection)).tasks == []
    assert await queue.db.check(full=True) == []


async def test_what_is_left_can_be_retried_and_completed(queue: Queue) -> None:
    done = await completed(queue)
    dead = await queue.submit(done, max_retries=0)
    along = await queue.submit(dead)
    await queue.fail_next()
    await completed(queue)
    pruned = await prune(queue, await select(queue, PruneFilter(statuses=[TaskStatus.COMPLETED])))
    assert len(pruned.tasks) == 1
    await queue.retry(dead)
    await queue.complete_next()
    await queue.complete_next()
    assert await queue.statuses(dead, along) == [TaskStatus.COMPLETED] * 2
