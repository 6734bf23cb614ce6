"""What the queue proves to be of no use, on every engine, and what the trail says when it goes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from abathur.domain.cleaning import Unneeded, UnneededKind
from abathur.ports.spool import SpooledFile
from abathur.ports.stores import Stores
from abathur.services import cleaning, running, verifying

if TYPE_CHECKING:
    from tests.conformance.conftest import Queue

REF = "refs/abathur/salvage/x/1"


async def test_what_goes_is_proven_told_once_each_and_leaves_the_trail_sound(queue: Queue) -> None:
    await queue.submit()
    claimed = await queue.claim_one()
    await queue.succeed(claimed)
    task, fence = claimed.task, claimed.task.fence
    await queue.write(running.add_salvage, task.id, 1, REF, "head", queue.now)
    files = [
        SpooledFile(name=name, task_id=task.id, attempt=1, fence=number, bytes=3)
        for name, number in (("there", fence), ("another", fence + 5))
    ]
    (report,) = await queue.read(cleaning.known, files)
    assert report.name == "there"
    salvage = Unneeded(
        kind=UnneededKind.SALVAGE,
        task_id=task.id,
        name=REF,
        why="it is contained",
        attempt=1,
        commit="head",
        target="main",
    )
    assert await queue.read(cleaning.aged, [task.id], queue.now + timedelta(days=1)) == []
    assert await queue.write(cleaning.tell_removed, [salvage], queue.now, "cli:eve") == []

    await queue.conclude(await queue.lander())
    assert await queue.read(cleaning.completed, [task.id, "unknown"]) == [task.id]
    assert await queue.read(cleaning.aged, [task.id, "unknown"], queue.now) == []
    (old,) = await queue.read(cleaning.aged, [task.id], queue.now + timedelta(days=1))
    gone = [salvage, report, old]
    assert await queue.write(cleaning.tell_removed, gone, queue.now, "cli:eve") == gone
    told = [entry.action_type.value for entry in await queue.audit(task)][-3:]
    assert told == ["salvage_removed", "report_removed", "transcripts_removed"]
    assert (await queue.attempt(claimed)).salvage_ref is None
    assert (await queue.read(verifying.verify)).breaks == []


async def test_a_landing_is_settled_when_no_worker_is_left_that_could_go_on_with_it(
    queue: Queue,
) -> None:
    await queue.submit()
    claimed = await queue.claim_one()
    await queue.succeed(claimed)
    asked = [(claimed.task.id, 1), (claimed.task.id, 2), ("unknown", 1)]
    await queue.write(stop, "w2", "w3", now=queue.now)
    assert await queue.read(cleaning.settled, asked) == []
    await queue.conclude(await queue.lander("w1"))
    assert await queue.read(cleaning.settled, asked) == asked[:1]
    await queue.add_worker("w9")
    assert await queue.read(cleaning.settled, asked) == []
    await queue.write(stop, "w9", now=queue.now)
    assert await queue.read(cleaning.settled, asked) == asked[:1]
    queue.pass_time(1)
    await queue.add_worker("later")
    assert await queue.read(cleaning.settled, asked) == asked[:1]


def stop(stores: Stores, *workers: str, now: datetime) -> None:
    for worker in workers:
        stores.workers.mark_stopped(worker, now)
