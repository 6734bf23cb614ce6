"""Counts over the whole queue, on every engine."""

from datetime import timedelta

from abathur.domain.figures import Counted
from abathur.domain.runs import OutcomeKind
from abathur.services import measuring
from tests.conformance.conftest import Queue


async def test_an_empty_queue_has_nothing_to_count(queue: Queue) -> None:
    there = await queue.read(measuring.present, queue.now)
    assert (list(there.tasks), there.ready_since, there.attempts_under_way) == ([], None, 0)
    past = await queue.read(measuring.past)
    assert (list(past.tasks), list(past.attempts), list(past.gate_runs)) == ([], [], [])


async def test_what_is_and_what_has_ended_are_counted_apart(queue: Queue) -> None:
    await queue.submit()
    landed = await queue.land(await queue.claim_one())
    assert landed.task.status == "completed"
    first = await queue.submit()
    await queue.submit(agent_type="reviewer", feature_branch="dev")
    there = await queue.read(measuring.present, queue.now)
    assert set(there.tasks) == {
        Counted(("ready", "general", ""), 1),
        Counted(("ready", "reviewer", "dev"), 1),
    }
    assert there.ready_since == first.submitted_at
    past = await queue.read(measuring.past)
    assert list(past.tasks) == [Counted(("completed", "general", ""), 1)]
    assert list(past.attempts) == [Counted((OutcomeKind.SUCCEEDED.value, ""), 1)]
    assert list(past.landings) == [Counted(("landed", "main"), 1)]
    await queue.claim_one()
    there = await queue.read(measuring.present, queue.now + timedelta(seconds=1))
    assert there.attempts_under_way == 1
