"""Attempts that go on in one folder, as the queue tells of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from abathur.domain.runs import OutcomeKind
from abathur.services import continuing

if TYPE_CHECKING:
    from tests.conformance.conftest import Queue

FIRST: dict[str, Any] = {
    "runtime": "codex",
    "session_id": "s",
    "worktree_path": "/w/t-1",
    "base_commit": "base",
}


async def test_a_folder_and_its_session_belong_to_who_goes_on_there(queue: Queue) -> None:
    task = await queue.submit()
    first = await queue.claim_one()
    await queue.start(first, **FIRST)
    await queue.end(first, OutcomeKind.RELEASED)

    async def is_over(folder: str, number: int) -> bool:
        return await queue.read(continuing.is_session_over, task.id, folder, number)

    assert not await is_over("t-1", 1)
    second = await queue.claim_one()
    found = await queue.read(continuing.unfinished, task.id, 2)
    assert found is not None
    assert (found.session_id, found.worktree_path) == ("s", "/w/t-1")
    assert not await is_over("t-1", 1)
    assert not await is_over("t-2", 2), "it may be about to begin there"

    await queue.start(second, **FIRST)
    assert await queue.read(continuing.own_place, await queue.attempt(first)) is None
    assert await queue.read(continuing.own_place, await queue.attempt(second)) == "/w/t-1"
    newest = await queue.read(continuing.newest_in, task.id, "t-1", 1)
    assert newest is not None
    assert newest.number == 2
    assert not await is_over("t-1", 1)

    await queue.end(second, OutcomeKind.FAILED)
    assert await is_over("t-1", 1)
    assert await is_over("t-7", 7)
    assert await queue.read(continuing.is_session_over, queue.new_id(), "x-1", 1)
