"""What a task is told without asking, and what it leaves behind for others."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from abathur.domain.memories import Memory, MemoryType, NewMemory
from abathur.domain.results import ResultCheck, ResultOrigin, TaskResult
from abathur.domain.retention import PROMOTED, UNTRUSTED
from abathur.domain.runs import OutcomeKind
from abathur.domain.tasks import Task
from abathur.ports.memory import MemoryFilter
from abathur.services import recalling, remembering, verifying
from abathur.services.recalling import Recalled

if TYPE_CHECKING:
    from tests.conformance.conftest import Queue

ANN = "cli:ann"
PROMPT = "Fix the parser of the configuration file"


async def add(queue: Queue, key: str, text: str, **fields: Any) -> Memory:
    new = NewMemory(**{"namespace": "project", "key": key, "value": text, **fields})
    return await queue.write(remembering.add, new, actor=ANN, now=queue.now)


async def recall(queue: Queue, task: Task, **more: Any) -> Sequence[Recalled]:
    return await queue.read(recalling.recall, task, now=queue.now, **more)


async def texts(queue: Queue, task: Task, **more: Any) -> list[str]:
    return [one.text for one in await recall(queue, task, **more)]


async def lessons(queue: Queue) -> Sequence[Memory]:
    where = MemoryFilter(namespace="lessons")
    return await queue.read(remembering.select, where, now=queue.now)


async def report(queue: Queue, *offered: object, prompt: str = PROMPT) -> Task:
    """A task whose agent offers lessons, and fails."""
    task = await queue.submit(prompt=prompt, max_retries=0)
    result = TaskResult(
        content={"deliverables": {"lessons": list(offered)}},
        origin=ResultOrigin.TOOL,
        check=ResultCheck.UNCHECKED,
    )
    await queue.end(await queue.claim_one(), OutcomeKind.FAILED, result=result)
    return task


async def test_what_is_about_the_task_is_told_and_nothing_else(queue: Queue) -> None:
    await add(queue, "one", "the configuration parser lives in config.py")
    await add(queue, "two", "the release needs a changelog entry")
    await add(queue, "three", "a file")
    task = await queue.submit(prompt=PROMPT)
    assert await texts(queue, task) == ["the configuration parser lives in config.py"]


async def test_each_memory_says_where_it_comes_from(queue: Queue) -> None:
    await add(queue, "one", "the configuration parser lives in config.py")
    task = await queue.submit(prompt=PROMPT)
    (found,) = await recall(queue, task)
    assert found.source == "project one, version 1, 2030-01-31 by cli:ann"


async def test_the_budget_is_kept_and_what_matters_more_comes_first(queue: Queue) -> None:
    for n in range(10):
        await add(queue, str(n), f"configuration parser {n} " + "x" * 380, importance=n / 10)
    task = await queue.submit(prompt=PROMPT)
    told = await texts(queue, task, budget=300)
    assert len(told) == 3
    assert told[0].startswith("configuration parser 9")
    assert sum(map(len, told)) <= 300 * 4
    # A character of these takes about a token.
    await add(queue, "zh", "configuration parser " + "数" * 4000, importance=1)
    found = await recall(queue, task, budget=300)
    assert found[0].text.endswith("数...")
    assert sum(len(f"{one.source}{one.text}".encode()) for one in found) <= 300 * 4


async def test_what_has_faded_comes_after_what_is_fresh(queue: Queue) -> None:
    await add(queue, "old", "configuration parser old", memory_type=MemoryType.EPISODIC)
    queue.pass_time(timedelta(days=60).total_seconds())
    await add(queue, "new", "configuration parser new", memory_type=MemoryType.EPISODIC)
    task = await queue.submit(prompt=PROMPT)
    assert await texts(queue, task) == ["configuration parser new", "configuration parser old"]


async def test_what_other_tasks_keep_for_themselves_is_not_told(queue: Queue) -> None:
    before, other = await queue.submit(), await queue.submit()
    for one in (before, other):
        text = f"configuration parser notes of {one.id}"
        await add(queue, "notes", text, namespace=f"task:{one.id}", task_id=one.id)
        working = {"memory_type": MemoryType.WORKING, "task_id": one.id}
        await add(queue, f"working-{one.id}", text, **working)
    task = await queue.submit(before, prompt=PROMPT)
    told = await texts(queue, task)
    assert told == [f"configuration parser notes of {before.id}"] * 2


async def test_being_told_counts_as_use(queue: Queue) -> None:
    memory = await add(queue, "one", "the configuration parser lives in config.py")
    for _ in range(3):
        task = await queue.submit(prompt=PROMPT)
        found = await recall(queue, task)
        await queue.write(recalling.note, found, task.id, actor=ANN, now=queue.now)
    used = await queue.read(remembering.get, memory.namespace, memory.key, now=queue.now)
    assert (used.access_count, used.importance) == (3, PROMOTED)


async def test_lessons_are_kept_marked_and_count_little(queue: Queue) -> None:
    task = await report(queue, "run make first", {"lesson": "the parser is slow"}, 7, " ")
    slow, first = await lessons(queue)
    assert [slow.value, first.value] == [
        {"lesson": "the parser is slow"},
        {"lesson": "run make first"},
    ]
    assert (first.importance, first.task_id) == (UNTRUSTED, task.id)
    assert first.created_by == f"agent:{task.agent_type}"
    assert first.memory_type is MemoryType.EPISODIC
    assert list(map(str, (await queue.read(verifying.verify)).breaks)) == []
    assert await queue.db.check(full=True) == []


async def test_a_lesson_that_several_tasks_offer_is_believed(queue: Queue) -> None:
    for _ in range(4):
        await report(queue, "Run  make first", "run make first")
    (lesson,) = await lessons(queue)
    assert (lesson.memory_type, lesson.importance) == (MemoryType.SEMANTIC, PROMOTED)


async def test_lessons_are_bounded_and_hold_no_secrets(queue: Queue) -> None:
    token = "ghp_" + "a1B2" * 9
    await report(queue, f"use {token}", *(f"lesson {n} " + "x" * 5000 for n in range(30)))
    found = await lessons(queue)
    assert len(found) == 10
    assert all(len(one.value["lesson"]) <= 2000 for one in found)
    assert token not in str([one.value for one in found])


async def test_a_lesson_that_was_let_go_does_not_come_back(queue: Queue) -> None:
    await report(queue, "run make first")
    (lesson,) = await lessons(queue)
    where = (lesson.namespace, lesson.key)
    await queue.write(remembering.delete, *where, actor=ANN, now=queue.now)
    await report(queue, "run make first")
    assert await lessons(queue) == []


async def test_the_same_lesson_of_many_at_once_is_kept_once(queue: Queue) -> None:
    for n in range(4):
        await queue.submit(prompt=f"{PROMPT} {n}", max_retries=0)
    claims = await queue.claim(4)
    result = TaskResult(
        content={"deliverables": {"lessons": ["run make first"]}},
        origin=ResultOrigin.TOOL,
        check=ResultCheck.UNCHECKED,
    )
    await asyncio.gather(
        *(queue.end(claimed, OutcomeKind.FAILED, result=result) for claimed in claims)
    )
    assert len(await lessons(queue)) == 1
    assert await queue.db.check(full=True) == []
