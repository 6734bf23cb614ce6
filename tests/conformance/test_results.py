"""Results of agents, on every engine: kept with their attempt, and decided by nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from abathur.domain.audit import Action
from abathur.domain.errors import InvalidInputError, NotFoundError, RefusedError
from abathur.domain.results import (
    MAX_BYTES,
    ExecutionStatus,
    ResultCheck,
    ResultOrigin,
    TaskResult,
)
from abathur.domain.runs import Attempt
from abathur.services import verifying
from abathur.services.claiming import Claim
from abathur.services.results import report_result

if TYPE_CHECKING:
    from tests.conformance.conftest import Queue

GOOD = {
    "execution_status": {"status": "SUCCESS", "agent_name": "planner"},
    "deliverables": {"files": ["größe.md"]},
    "orchestration_context": {"next_recommended_action": "implement"},
}


async def running(queue: Queue) -> Claim:
    await queue.submit(prompt="Plan it")
    claimed = await queue.claim_one()
    await queue.start(claimed)
    return claimed


async def tell(queue: Queue, task_id: str, content: dict[str, Any], **more: Any) -> TaskResult:
    return await queue.write(report_result, task_id, content, actor="mcp:x", now=queue.now, **more)


async def attempt_of(queue: Queue, task_id: str) -> Attempt:
    found = await queue.read(lambda stores: stores.attempts.get(task_id, 1))
    assert found is not None
    return found


async def test_the_last_valid_report_of_a_running_attempt_is_kept(queue: Queue) -> None:
    claimed = await running(queue)
    task_id = claimed.task.id
    await tell(queue, task_id, {"execution_status": {"status": "partial"}})
    told = await tell(queue, task_id, GOOD)
    refused = await tell(queue, task_id, {"execution_status": {"status": "MAYBE"}})
    assert refused.problem is not None
    assert "MAYBE" in refused.problem
    kept = (await attempt_of(queue, task_id)).result
    assert kept == told
    assert kept is not None
    assert (kept.status, kept.origin, kept.check) == (
        ExecutionStatus.SUCCESS,
        ResultOrigin.TOOL,
        ResultCheck.UNCHECKED,
    )
    entries = await queue.audit(claimed.task)
    assert [e.action_type for e in entries].count(Action.RESULT_REPORTED) == 2
    assert not (await queue.read(verifying.verify)).breaks


async def test_an_invalid_report_is_kept_until_there_is_a_valid_one(queue: Queue) -> None:
    task_id = (await running(queue)).task.id
    await tell(queue, task_id, GOOD, schema=lambda _: "deliverables.plan: it is missing")
    kept = (await attempt_of(queue, task_id)).result
    assert kept is not None
    assert (kept.check, kept.problem) == (ResultCheck.INVALID, "deliverables.plan: it is missing")
    assert kept.content == GOOD
    await tell(queue, task_id, GOOD, schema=lambda _: None)
    kept = (await attempt_of(queue, task_id)).result
    assert kept is not None
    assert kept.check is ResultCheck.VALID


async def test_the_report_of_the_run_keeps_what_was_told_by_a_call(queue: Queue) -> None:
    claimed = await running(queue)
    told = await tell(queue, claimed.task.id, GOOD)
    await queue.end(claimed)
    assert (await attempt_of(queue, claimed.task.id)).result == told


async def test_nobody_reports_for_a_run_that_is_over(queue: Queue) -> None:
    claimed = await running(queue)
    await queue.end(claimed)
    with pytest.raises(RefusedError, match="isn't running"):
        await tell(queue, claimed.task.id, GOOD)
    with pytest.raises(NotFoundError):
        await tell(queue, claimed.task.id, GOOD, attempt=7)


async def test_a_result_is_bounded(queue: Queue) -> None:
    task_id = (await running(queue)).task.id
    with pytest.raises(InvalidInputError, match="bytes"):
        await tell(queue, task_id, {"deliverables": {"text": "x" * MAX_BYTES}})
    assert (await attempt_of(queue, task_id)).result is None
