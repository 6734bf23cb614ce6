"""Reports from the spool: applied once, under their fence, or kept as evidence."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from abathur.domain.audit import Action
from abathur.domain.errors import InvalidInputError
from abathur.domain.runs import EventKind, Outcome, OutcomeKind, RunEvent, Usage
from abathur.domain.tasks import TaskStatus
from abathur.services import reports, verifying
from abathur.services.claiming import Claim
from abathur.services.reports import Fate, SpooledReport, Standing
from abathur.services.running import Holder, Report

if TYPE_CHECKING:
    from tests.conformance.conftest import Queue

FAILED = Outcome(
    kind=OutcomeKind.FAILED,
    message="it broke: größe \udcff",
    exit_code=3,
    usage=Usage(input_tokens=5),
    result_data={"a": [1, None]},
)
DONE = Outcome(kind=OutcomeKind.SUCCEEDED)


def spooled(queue: Queue, claimed: Claim, outcome: Outcome = FAILED) -> SpooledReport:
    event = RunEvent(EventKind.TEXT, "the last word", {"line": "x"})
    made = SpooledReport(
        holder=queue.holder(claimed),
        ended_at=queue.now,
        report=Report(
            outcome=outcome,
            base_commit="base",
            head_commit="head",
            target="main",
            landing_id=f"landing-{claimed.task.id}",
        ),
        events=((1, queue.now, event),),
    )
    found = reports.unpacked(reports.packed(made))
    with pytest.raises(InvalidInputError, match="its format is 2, not 1"):
        reports.unpacked({**reports.packed(made), "format": 2})
    nobody = {**reports.packed(made)["holder"], "number": None}
    with pytest.raises(InvalidInputError, match="it names no attempt"):
        reports.unpacked({**reports.packed(made), "holder": nobody})
    text = made.report.outcome.message.replace("\udcff", "?")
    assert found == replace(
        made, report=replace(made.report, outcome=replace(outcome, message=text))
    )
    return found


async def apply(queue: Queue, report: SpooledReport) -> Standing:
    return await queue.write(reports.report, report, queue.policy, queue.now)


async def events(queue: Queue, task_id: str) -> list[tuple[int, datetime, RunEvent]]:
    return list(await queue.read(lambda stores: stores.attempts.events(task_id, 1)))


async def claimed_task(queue: Queue) -> Claim:
    await queue.submit()
    return await queue.claim_one()


async def test_a_report_is_applied_with_its_events_once(queue: Queue) -> None:
    for outcome in (FAILED, DONE):
        claimed = await claimed_task(queue)
        report = spooled(queue, claimed, outcome)
        assert (await apply(queue, report)).fate is Fate.APPLIED
        before = await queue.contents()
        queue.pass_time(5)
        assert (await apply(queue, report)).fate is Fate.ALREADY
        assert await queue.contents() == before
        assert await events(queue, claimed.task.id) == list(report.events)
    assert (await queue.read(verifying.verify)).breaks == []


async def test_a_report_is_applied_by_its_fence_however_long_its_lease_is_over(
    queue: Queue,
) -> None:
    claimed = await claimed_task(queue)
    queue.pass_time(1_000_000)
    assert (await apply(queue, spooled(queue, claimed))).fate is Fate.APPLIED


async def test_a_late_report_is_kept_as_evidence_once_and_changes_nothing(queue: Queue) -> None:
    claimed = await claimed_task(queue)
    await queue.adopt(claimed.task)
    task, attempt = await queue.task(claimed.task), await queue.attempt(claimed)
    for _ in range(2):
        assert (await apply(queue, spooled(queue, claimed, DONE))).fate is Fate.LATE
    assert (await queue.task(task), await queue.attempt(claimed)) == (task, attempt)
    (late,) = await queue.read(lambda stores: stores.attempts.late_reports(task.id))
    assert (late.attempt, late.fence, late.worker_id) == (1, claimed.task.fence, "w1")
    assert late.received_at == queue.now
    assert late.report["outcome"]["kind"] == "succeeded"
    assert late.report["head_commit"] == "head"
    told = [entry.action_type for entry in await queue.audit(task)]
    assert told.count(Action.LATE_REPORT_KEPT) == 1
    assert (await queue.read(verifying.verify)).breaks == []


async def test_the_report_of_a_cancelled_run_is_late_too(queue: Queue) -> None:
    claimed = await claimed_task(queue)
    await queue.cancel(claimed.task)
    assert (await apply(queue, spooled(queue, claimed, DONE))).fate is Fate.LATE
    assert (await queue.task(claimed.task)).status is TaskStatus.CANCELLED


async def test_a_report_of_a_run_that_nobody_knows_changes_nothing(queue: Queue) -> None:
    claimed = await claimed_task(queue)
    report = spooled(queue, claimed)
    unknown = SpooledReport(
        holder=Holder(claimed.task.id, 7, claimed.task.fence, "w1"),
        ended_at=report.ended_at,
        report=report.report,
    )
    before = await queue.contents()
    assert (await apply(queue, unknown)).fate is Fate.UNKNOWN
    assert await queue.contents() == before
