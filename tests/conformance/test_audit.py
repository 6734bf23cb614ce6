"""The trail: an entry for every change, in the change's own transaction, from which it follows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abathur.domain.audit import Action, AuditEntry
from abathur.domain.errors import AbathurError
from abathur.domain.runs import OutcomeKind
from abathur.domain.tasks import Task
from abathur.infrastructure.database import Database
from abathur.infrastructure.database.codecs import json_text
from abathur.ports.stores import Stores
from abathur.services import reading, trail

if TYPE_CHECKING:
    from tests.conformance.conftest import Queue

OpenQueue = Callable[[Database], "Queue"]

UNRECORDED = trail.UNTOLD | {"unmet_count"}
"""What the trail leaves out, and what follows from the trails of the prerequisites."""
STEPS = (
    "submit",
    "submit behind",
    "submit later",
    "succeed",
    "fail",
    "release",
    "die",
    "conclude",
    "refuse",
    "adopt",
    "cancel",
    "retry",
    "wait",
)


def replayed(entries: Sequence[AuditEntry]) -> dict[str, Any]:
    """The task's fields as its trail tells them."""
    first, *later = entries
    assert first.action_type is Action.TASK_SUBMITTED
    told = dict.fromkeys(Task.__dataclass_fields__) | dict(first.action_data)
    for entry in later:
        for name, value in entry.action_data.items():
            if name == "status":
                old, value = value  # noqa: PLW2901 - told as a pair
                assert old == told["status"], entry
            if name in told:
                told[name] = value
    return {name: value for name, value in told.items() if name not in UNRECORDED}


def as_told(task: Task) -> dict[str, Any]:
    names = [name for name in Task.__dataclass_fields__ if name not in UNRECORDED]
    told: dict[str, Any] = json.loads(json_text({name: getattr(task, name) for name in names}))
    return told


async def take(queue: Queue, name: str, chosen: Task | None) -> None:
    """One step on the queue. `chosen` is one of the tasks."""
    match name:
        case "submit":
            await queue.submit(max_retries=1, priority=queue.now.second % 11)
        case "submit later":
            await queue.submit(not_before=queue.now + queue.lease)
        case "wait":
            queue.pass_time(61)
        case "submit behind" if chosen:
            await queue.submit(chosen, not_before=queue.now)
        case "cancel" if chosen:
            await queue.cancel(chosen)
        case "retry" if chosen:
            await queue.retry(chosen)
        case "refuse" | "conclude":
            await land(queue, name)
        case "adopt":
            for task in await queue.read(lambda stores: stores.claims.expired(queue.now)):
                adopted, _ = await queue.adopt(task)
                await queue.take_back(adopted)
        case "succeed" | "fail" | "release" | "die":
            await run(queue, name)


async def land(queue: Queue, name: str) -> None:
    landing = await queue.claim_landing("w2")
    if landing is not None:
        if name == "refuse":
            await queue.refuse(landing)
        else:
            await queue.conclude(await queue.announce(landing))


async def run(queue: Queue, name: str) -> None:
    for claimed in await queue.claim(1):
        await queue.start(
            claimed, branch=f"b/{claimed.task.id}/{claimed.attempt.number}", worktree_path="/w"
        )
        if name == "succeed":
            await queue.succeed(claimed, result={"größe": [None, 1.5]})
        elif name != "die":
            kind = OutcomeKind.FAILED if name == "fail" else OutcomeKind.RELEASED
            await queue.end(claimed, kind)


async def walk(queue: Queue, steps: Sequence[tuple[str, int]]) -> None:
    """Take the steps; after each, every task must be what its trail tells."""
    tasks: Sequence[Task] = ()
    for name, number in steps:
        # What is refused mustn't move the trail either.
        with suppress(AbathurError):
            await take(queue, name, tasks[number % len(tasks)] if tasks else None)
        tasks = await queue.read(reading.all_tasks)
        for task in tasks:
            assert replayed(await queue.audit(task)) == as_told(task), name
            assert task.last_updated_at <= queue.now


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


async def test_every_way_through_the_queue_is_in_the_trail(queue: Queue) -> None:
    """The steps of the walk above, in an order that surely goes everywhere."""
    names = (
        "submit,submit behind,fail,wait,succeed,refuse,succeed,conclude,submit later,wait,die,"
        "wait,adopt,release,cancel,retry,submit,fail,fail,fail,wait,fail,fail,fail,wait,fail,retry"
    )
    await walk(queue, [(name, 1) for name in names.split(",")])
    told = {entry.action_type for entry in await queue.audit()}
    never = {Action.WORK_SALVAGED}
    assert told == set(Action) - never


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
