"""Sessions: events in their order, and a state that each scope shares with whom it should."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from abathur.domain.audit import Action
from abathur.domain.errors import (
    ConflictError,
    IllegalTransitionError,
    InvalidInputError,
    NotFoundError,
)
from abathur.domain.sessions import NewSession, Session, SessionStatus
from abathur.services import sessions

if TYPE_CHECKING:
    from tests.conformance.conftest import Queue

ALICE = "cli:alice"


async def create(queue: Queue, name: str = "s1", **fields: Any) -> Session:
    new = NewSession(
        **{
            "id": name,
            "app_name": "abathur",
            "user_id": "alice",
            "state": {},
            "metadata": {},
            **fields,
        }
    )
    return await queue.write(sessions.create, new, actor=ALICE, now=queue.now)


async def append(queue: Queue, n: int, **delta: Any) -> int:
    return await queue.write(
        sessions.append_event, "s1", {"n": n}, state_delta=delta, now=queue.now
    )


async def set_state(queue: Queue, name: str, key: str, value: Any) -> None:
    await queue.write(sessions.set_state, name, key, value, now=queue.now)


async def state(queue: Queue, name: str) -> dict[str, Any]:
    return dict(await queue.read(sessions.state, name))


async def test_events_are_numbered_in_their_order_and_read_page_by_page(queue: Queue) -> None:
    await create(queue)
    assert [await append(queue, n) for n in range(5)] == [1, 2, 3, 4, 5]
    page = await queue.read(sessions.events, "s1", after=2, limit=2)
    assert [(one.sequence, one.event["n"]) for one in page] == [(3, 2), (4, 3)]
    assert (await queue.read(sessions.get, "s1")).status is SessionStatus.ACTIVE


async def test_of_events_that_come_at_once_none_is_lost(queue: Queue) -> None:
    await create(queue)
    await asyncio.gather(*(append(queue, n, last=n) for n in range(8)))
    events = await queue.read(sessions.events, "s1")
    assert [one.sequence for one in events] == list(range(1, 9))
    assert {one.event["n"] for one in events} == set(range(8))


async def test_an_event_changes_the_state_with_it(queue: Queue) -> None:
    await create(queue, state={"phase": "plan", "user:name": "Alice"})
    await append(queue, 1, phase="work")
    assert await state(queue, "s1") == {"phase": "work", "user:name": "Alice"}
    assert await queue.read(sessions.get_state, "s1", "phase") == "work"
    assert await queue.read(sessions.get_state, "s1", "session:phase") == "work"
    assert await queue.read(sessions.get_state, "s1", "nothing") is None


async def test_each_scope_is_shared_with_whom_it_should_be(queue: Queue) -> None:
    await create(queue, "s1", project_id="p1")
    await create(queue, "s2", project_id="p2")
    await create(queue, "s3", user_id="bob", project_id="p1")
    await create(queue, "s4", app_name="other", project_id="p1")
    for scope in ("session", "temp", "user", "app", "project"):
        await set_state(queue, "s1", f"{scope}:k", scope)
    assert await state(queue, "s1") == {
        "k": "session",
        "temp:k": "temp",
        "user:k": "user",
        "app:k": "app",
        "project:k": "project",
    }
    assert await state(queue, "s2") == {"user:k": "user", "app:k": "app"}
    assert await state(queue, "s3") == {"app:k": "app", "project:k": "project"}
    assert await state(queue, "s4") == {"project:k": "project"}


async def test_an_archived_session_stays_readable_and_takes_nothing_more(queue: Queue) -> None:
    await create(queue, state={"k": 1, "temp:k": 2})
    await append(queue, 1)
    archived = await queue.write(sessions.archive, "s", actor=ALICE, now=queue.now)
    assert (archived.status, archived.archived_at) == (SessionStatus.ARCHIVED, queue.now)
    assert await state(queue, "s1") == {"k": 1}
    assert len(await queue.read(sessions.events, "s1")) == 1
    with pytest.raises(IllegalTransitionError, match="is archived"):
        await append(queue, 2)
    with pytest.raises(IllegalTransitionError, match="is archived"):
        await set_state(queue, "s1", "k", 2)
    with pytest.raises(ConflictError):
        await queue.write(sessions.archive, "s1", actor=ALICE, now=queue.now)
    actions = [one.action_type for one in await queue.audit()]
    assert actions == [Action.SESSION_CREATED, Action.SESSION_ARCHIVED]
    assert await queue.db.check(full=True) == []


async def test_a_session_tells_its_tasks_with_their_transcripts(queue: Queue) -> None:
    await create(queue)
    task = await queue.submit()
    waiting = await queue.submit(task)
    for one in (task, waiting):
        await queue.write(sessions.link_task, "s1", one.id)
    await queue.start(await queue.claim_one(), transcript_path="logs/one.jsonl")
    detail = await queue.read(sessions.detail, "s1")
    assert [(one.task_id, one.attempt, one.transcript_path) for one in detail.tasks] == [
        (task.id, 1, "logs/one.jsonl"),
        (waiting.id, None, None),
    ]
    with pytest.raises(NotFoundError):
        await queue.write(sessions.link_task, "s1", "no-such-task")


@pytest.mark.parametrize(("key", "value"), [("", 1), ("user:", 1), ("a\n", 1), ("k", {1})])
async def test_a_state_that_cannot_be_kept_is_refused(queue: Queue, key: str, value: Any) -> None:
    await create(queue)
    with pytest.raises(InvalidInputError):
        await set_state(queue, "s1", key, value)


async def test_a_session_is_made_once_and_a_project_is_needed_for_its_state(queue: Queue) -> None:
    await create(queue)
    with pytest.raises(ConflictError):
        await create(queue)
    with pytest.raises(InvalidInputError, match="no project"):
        await set_state(queue, "s1", "project:k", 1)
    with pytest.raises(NotFoundError):
        await queue.read(sessions.get, "s9")
