"""The trail: an entry for every change, in the change's own transaction, from which it follows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abathur.domain.audit import Action
from abathur.domain.errors import AbathurError
from abathur.domain.replay import UNTOLD
from abathur.domain.runs import Denial, OutcomeKind
from abathur.domain.tasks import Task
from abathur.infrastructure.database import Database
from abathur.ports.stores import Stores, TaskFilter
from abathur.services import claiming, reading, replaying, reviewing, running, trail, verifying
from abathur.services import landing as landings
from abathur.services.asking import Asking
from abathur.services.reviewing import Rejection

if TYPE_CHECKING:
    from tests.conformance.conftest import Queue

OpenQueue = Callable[[Database], "Queue"]

ALL = TaskFilter(limit=1_000_000)
STEPS = (
    "submit",
    "submit behind",
    "submit behind two",
    "submit later",
    "succeed",
    "ask",
    "be denied",
    "approve",
    "reject",
    "fail",
    "release",
    "die",
    "conclude",
    "refuse",
    "adopt",
    "cancel",
    "retry",
    "salvage",
    "renew",
    "withdraw",
    "release landing",
    "wait",
)


async def take(queue: Queue, name: str, chosen: Task | None) -> None:
    """One step on the queue. `chosen` is one of the tasks."""
    match name:
        case "submit":
            await queue.submit(max_retries=1, priority=queue.now.second % 11)
        case "submit later":
            await queue.submit(not_before=queue.now + queue.lease)
        case "wait":
            queue.pass_time(61)
        case "refuse" | "conclude" | "withdraw" | "release landing":
            await land(queue, name)
        case "renew":
            await queue.write(claiming.renew, worker_id="w1", now=queue.now, lease=queue.lease)
        case "adopt":
            for task in await queue.read(lambda stores: stores.claims.expired(queue.now)):
                adopted, _ = await queue.adopt(task)
                await queue.take_back(adopted)
        case "succeed" | "ask" | "be denied" | "fail" | "release" | "die":
            await run(queue, name)
        case "approve" | "reject":
            await answer(queue, name)
        case _ if chosen:
            await take_with(queue, name, chosen)


async def take_with(queue: Queue, name: str, chosen: Task) -> None:
    match name:
        case "submit behind":
            await queue.submit(chosen, not_before=queue.now, parent_task_id=chosen.id)
        case "submit behind two":
            await queue.submit(chosen, await queue.submit())
        case "cancel":
            await queue.cancel(chosen)
        case "retry":
            await queue.retry(chosen)
        case "salvage":
            number, ref = chosen.attempt_count, f"refs/{queue.now}"
            await queue.write(running.add_salvage, chosen.id, number, ref, "c", queue.now)


async def land(queue: Queue, name: str) -> None:
    landing = await queue.claim_landing("w2")
    if landing is not None:
        if name == "refuse":
            await queue.refuse(landing)
        elif name == "release landing":
            await queue.write(landings.release_landing, landing)
        elif name == "withdraw":
            await queue.write(landings.withdraw_merge, await queue.announce(landing))
        else:
            await queue.conclude(await queue.announce(landing))


async def run(queue: Queue, name: str) -> None:
    for claimed in await queue.claim(1):
        await queue.start(
            claimed, branch=f"b/{claimed.task.id}/{claimed.attempt.number}", worktree_path="/w"
        )
        if name == "succeed":
            await queue.succeed(claimed, result={"größe": [None, 1.5]})
        elif name == "ask":
            await queue.succeed(claimed, asking=Asking(review_id=queue.new_id(), tree="tree"))
        elif name == "be denied":
            denial = Denial(tool="Bash", input={}, rule=f"Bash({queue.now})")
            asking = Asking(review_id=queue.new_id())
            await queue.end(claimed, OutcomeKind.FAILED, asking=asking, denied=(denial,))
        elif name != "die":
            kind = OutcomeKind.FAILED if name == "fail" else OutcomeKind.RELEASED
            await queue.end(claimed, kind)


async def answer(queue: Queue, name: str) -> None:
    for review in await queue.read(lambda stores: stores.reviews.open()):
        how: dict[str, Any] = {"actor": "cli:alice", "now": queue.now}
        if name == "approve":
            await queue.write(reviewing.approve, review.id, comment=None, allow=(), **how)
        else:
            await queue.write(reviewing.reject, review.id, Rejection("no", None), **how)


def as_told(tasks: Sequence[Task]) -> list[Task]:
    """Without what the trail leaves out, which has no order of prerequisites either."""
    left_out: dict[str, Any] = dict.fromkeys(UNTOLD)
    return [
        replace(task, **left_out, prerequisites=tuple(sorted(task.prerequisites))) for task in tasks
    ]


async def walk(queue: Queue, steps: Sequence[tuple[str, int]]) -> None:
    """Take the steps. The trail must tell what is after each, and all that was in the end."""
    tasks: Sequence[Task] = ()
    past: list[tuple[datetime, list[Task]]] = []
    for name, number in steps:
        # What is refused mustn't move the trail either.
        with suppress(AbathurError):
            await take(queue, name, tasks[number % len(tasks)] if tasks else None)
        tasks = await queue.read(reading.all_tasks)
        verified = await queue.read(verifying.verify)
        assert list(map(str, verified.breaks)) == [], name
        assert verified.tasks == len(tasks)
        assert all(task.last_updated_at <= queue.now for task in tasks)
        past.append((queue.now, as_told(tasks)))
        queue.pass_time(1)
    for moment, then in past:
        assert await queue.read(replaying.tasks_at, moment, ALL) == then


@settings(max_examples=100, derandomize=True)
@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 20)), max_size=40))
def test_every_task_is_what_its_trail_tells(
    open_queue: OpenQueue, steps: list[tuple[str, int]]
) -> None:
    async def check() -> None:
        async with Database(":memory:") as db:
            queue = open_queue(db)
            await queue.prepare()
            await walk(queue, steps)

    asyncio.run(check())


BY_CONVERSION = {Action.TASK_IMPORTED, Action.LEGACY_RECORDED}
BY_UPKEEP = {Action.TASK_FIXED, Action.ROW_FIXED, Action.TASK_PRUNED}
"""Not a way through the queue; see test_fixing.py and test_pruning.py."""
OF_OTHERS = ("schedule_", "memory_", "document_", "session_", "loop_", "iteration_")
BY_OTHERS = {
    *(Action.HOLD_BEGUN, Action.HOLD_ENDED, Action.OVERLAP_FOUND),
    *(Action.BUDGET_SET, Action.LATE_REPORT_KEPT),
    *(Action.CANDIDATE_BEGUN, Action.TASK_SPLIT, Action.PART_GIVEN_UP),
    *(action for action in Action if action.startswith(OF_OTHERS)),
    Action.TRANSCRIPTS_REMOVED,
    Action.SALVAGE_REMOVED,
    Action.WITHDRAWN_REMOVED,
    Action.REPORT_REMOVED,
    Action.RESULT_REPORTED,
    Action.PROGRESS_NOTED,
    Action.CANDIDATE_BEGUN,
}
"""Beside the way; see test_admission.py, test_money.py, test_reports.py, test_schedules.py,
test_remembering.py, and those of loops and servers."""


async def test_every_way_through_the_queue_is_in_the_trail(queue: Queue) -> None:
    """The steps of the walk above, in an order that surely goes everywhere."""
    names = (
        "submit,submit behind,fail,wait,succeed,refuse,succeed,withdraw,wait,release landing,"
        "conclude,submit later,wait,die,salvage,renew,wait,adopt,release,cancel,retry,submit,fail,"
        "fail,fail,wait,fail,fail,fail,wait,fail,retry,submit behind two,be denied,approve,ask,"
        "reject,ask,approve,refuse,ask"
    )
    await walk(queue, [(name, 1) for name in names.split(",")])
    while any(not task.status.is_final for task in await queue.read(reading.all_tasks)):
        await walk(queue, [(name, 0) for name in ("approve", "succeed", "wait", "conclude")])
    told = {entry.action_type for entry in await queue.audit()}
    assert told == set(Action) - BY_UPKEEP - BY_CONVERSION - BY_OTHERS


@pytest.mark.parametrize("seed", range(3))
async def test_a_long_walk_is_told_on_every_engine(queue: Queue, seed: int) -> None:
    chance = Random(seed)
    await walk(queue, [(chance.choice(STEPS), chance.randrange(20)) for _ in range(60)])


async def test_a_use_case_that_raises_leaves_neither_change_nor_entry(queue: Queue) -> None:
    task = await queue.submit()
    before = await queue.contents()

    def claim_and_raise(stores: Stores) -> None:
        until = queue.now + queue.lease
        stores.claims.claim("w1", 1, queue.now, until)
        trail.record(stores, Action.TASK_CLAIMED, task.id, "worker:w1", queue.now)
        raise LookupError("on purpose")

    with pytest.raises(LookupError, match="on purpose"):
        await queue.write(claim_and_raise)
    assert await queue.contents() == before


async def test_numbers_of_entries_have_no_gaps_also_when_use_cases_raise(queue: Queue) -> None:
    def tell_and_raise(stores: Stores) -> None:
        trail.record(stores, Action.TASK_READY, "x", "a", queue.now)
        raise LookupError

    for _ in range(3):
        await queue.submit()
        results = await asyncio.gather(
            queue.write(tell_and_raise), queue.submit(), return_exceptions=True
        )
        assert isinstance(results[0], LookupError)
    assert [entry.id for entry in await queue.audit()] == list(range(1, 7))


async def test_an_entry_tells_who_did_what_and_when(queue: Queue) -> None:
    task = await queue.submit()
    queue.pass_time(1)
    await queue.claim_one("w2")
    submitted, claimed = await queue.audit(task)
    assert (submitted.actor, claimed.actor) == ("cli:alice", "worker:w2")
    assert (submitted.action_type, claimed.action_type) == (
        Action.TASK_SUBMITTED,
        Action.TASK_CLAIMED,
    )
    assert claimed.timestamp == queue.now
    assert claimed.action_data["status"] == ["ready", "running"]


async def test_recent_entries_are_the_newest_in_their_order(queue: Queue) -> None:
    for _ in range(5):
        await queue.submit()
    recent = await queue.read(lambda stores: stores.audit.recent(2))
    assert [entry.id for entry in recent] == [4, 5]
    after = await queue.read(lambda stores: stores.audit.after(3))
    assert [entry.id for entry in after] == [4, 5]
