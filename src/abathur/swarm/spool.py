"""No report is lost: it is spooled first, then applied, then removed from the spool.

The order is: the entry is on the disk; the work is committed or salvaged; the queue has the report;
the entry goes. Whoever dies in between leaves an entry that the next one goes on with, and each
step finds what an earlier try of it did.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from abathur.domain.agents import Worker
from abathur.domain.errors import (
    AbathurError,
    DatabaseError,
    GitError,
    IntegrityViolation,
    InvalidInputError,
    SpoolError,
)
from abathur.domain.iterations import Trial
from abathur.domain.runs import Attempt, OutcomeKind
from abathur.domain.tasks import Task, TaskStatus
from abathur.ports.spool import SpoolEntry
from abathur.services import reports
from abathur.services.asking import Asking
from abathur.services.reports import Fate, SpooledReport, Standing
from abathur.services.running import Report
from abathur.swarm import approvals, workspace
from abathur.swarm.admission import spending_rules
from abathur.swarm.events import SwarmEventKind
from abathur.swarm.parts import GIT_TAG, Parts
from abathur.swarm.state import Run, State

FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 10.0
MAX_FAILURES: Final = 5
"""Of applying one entry while the database answers otherwise: then it is set aside."""

Claim = tuple[str, int]
"""Task and fence."""


class Delivery:
    """Brings reports into the queue: those of runs that end here, and those that others left."""

    def __init__(self, parts: Parts, state: State) -> None:
        self._parts, self._state = parts, state
        self._failures: dict[str, int] = {}

    async def send(
        self, run: Run, attempt: Attempt, spooled: SpooledReport
    ) -> tuple[Standing, Report]:
        """Until the queue has it, however long that takes. The report as it was applied.

        Raises `DatabaseError` only when the swarm is to stop meanwhile; the spool has it then.
        """
        # What is applied now and what would be applied from the disk are the same.
        spooled = reports.unpacked(reports.packed(spooled))
        is_safe = await self._spool(run.task, spooled)
        here = Standing(Fate.APPLIED, run.task, attempt)
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                finished = await self._finished(spooled, here)
                found = await self._apply(finished)
            except DatabaseError as error:
                if pause == FIRST_PAUSE_SECONDS:
                    self._state.warn(f"the report waits for the database: {error}", run.task)
                if self._state.stop_now.is_set() or (is_safe and self._state.stopping.is_set()):
                    raise
                await self._parts.clock.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
                is_safe = is_safe or await self._spool(run.task, spooled)
            else:
                await self._remove(spooled.name)
                return found, finished.report

    async def _spool(self, task: Task, spooled: SpooledReport) -> bool:
        """False when the disk doesn't take it: the report is in memory only for now."""
        try:
            await self._parts.spool.put(spooled.name, reports.packed(spooled))
        except SpoolError as error:
            self._state.warn(str(error), task)
            return False
        return True

    async def _apply(self, spooled: SpooledReport) -> Standing:
        now = self._parts.clock.now()
        report = replace(
            spooled.report,
            spending=spending_rules(self._parts),
            remembering=self._parts.settings.memory.rules,
        )
        spooled = replace(spooled, report=report)
        return await self._parts.db.write(reports.report, spooled, self._parts.policy, now)

    async def _remove(self, name: str) -> None:
        # What stays is found to be applied already, and removed then.
        with suppress(SpoolError):
            await self._parts.spool.remove(name)

    async def replay(
        self, is_dead: Callable[[Worker], bool], over: Collection[Claim]
    ) -> Collection[Claim]:
        """Deliver what other runs left; the claims whose reports have to wait for another round.

        An entry is left to its own worker while that lives, unless the claim is among `over`.
        Never raises for what is wrong with one entry.
        """
        waiting: set[Claim] = set()
        for entry in await self._entries():
            try:
                spooled = reports.unpacked(entry.content)
            except InvalidInputError as error:
                await self._refuse(entry.name, str(error))
                continue
            claim = (spooled.holder.task_id, spooled.holder.fence)
            if not await self._is_ours(spooled, is_dead, over):
                continue
            if claim in over:
                # Its worker may be stuck in the middle of keeping the work.
                await self._parts.processes.reap({GIT_TAG: spooled.holder.worker_id}, 0)
            if not await self._deliver(spooled):
                waiting.add(claim)
        return waiting

    async def _entries(self) -> Sequence[SpoolEntry]:
        try:
            found = await self._parts.spool.read()
        except SpoolError as error:
            self._state.warn(str(error))
            return ()
        for text in found.set_aside:
            self._state.warn(text)
        return found.entries

    async def _is_ours(
        self, spooled: SpooledReport, is_dead: Callable[[Worker], bool], over: Collection[Claim]
    ) -> bool:
        holder = spooled.holder
        if (holder.task_id, holder.number) in self._state.runs:
            return False
        if holder.worker_id == self._state.worker_id or (holder.task_id, holder.fence) in over:
            return True
        worker = await self._parts.db.read(lambda stores: stores.workers.get(holder.worker_id))
        return worker is None or worker.stopped_at is not None or is_dead(worker)

    async def _deliver(self, spooled: SpooledReport) -> bool:
        try:
            found = await self._parts.db.read(reports.standing, spooled.holder)
            if found.fate is Fate.APPLIED:
                spooled = await self._finished(spooled, found)
            found = await self._apply(spooled)
        except Exception as error:
            # One entry that can't be applied must not keep the others, or the swarm, from going on.
            return await self._has_failed(spooled, error)
        if found.fate is Fate.UNKNOWN:
            await self._refuse(spooled.name, "the queue has no such attempt")
            return True
        self._failures.pop(spooled.name, None)
        await self._settle(spooled, found)
        await self._remove(spooled.name)
        return True

    async def _finished(self, spooled: SpooledReport, found: Standing) -> SpooledReport:
        assert found.task is not None
        assert found.attempt is not None
        report = await finish_work(self._parts, self._state, found.task, found.attempt, spooled)
        return replace(spooled, report=report)

    async def _has_failed(self, spooled: SpooledReport, error: Exception) -> bool:
        is_new = spooled.name not in self._failures
        count = self._failures.setdefault(spooled.name, 0) + _is_its_own(error)
        self._failures[spooled.name] = count
        if count >= MAX_FAILURES:
            await self._refuse(spooled.name, f"it can't be applied: {error}")
            return True
        if is_new:
            self._state.warn(f"a spooled report waits ({spooled.name}): {error}")
        return False

    async def _settle(self, spooled: SpooledReport, found: Standing) -> None:
        """Say what became of it, and keep the work of one that came too late."""
        assert found.task is not None
        assert found.attempt is not None
        number, outcome = spooled.holder.number, spooled.report.outcome
        if found.fate is Fate.APPLIED:
            text = f"its report was applied from the spool: {outcome.message or outcome.kind}"
            self._state.tell(SwarmEventKind.ATTEMPT_ENDED, text, task=found.task, attempt=number)
            if found.task.status is TaskStatus.FAILED:
                self._state.tally.failed += 1
                self._state.tell(SwarmEventKind.TASK_FAILED, text, task=found.task, attempt=number)
            asked = spooled.report.asking
            await approvals.tell_asked(self._parts, self._state, asked, found.task)
            self._state.ring_all()
        elif found.fate is Fate.LATE:
            why = "its worker had lost its lease"
            await salvage(self._parts, self._state, found.task, found.attempt, why)
            self._state.warn(
                f"the report of attempt {number} came too late ({outcome.kind}); "
                "it is kept as evidence, not applied",
                found.task,
            )

    async def _refuse(self, name: str, why: str) -> None:
        self._failures.pop(name, None)
        try:
            self._state.warn(await self._parts.spool.set_aside(name, why))
        except SpoolError as error:
            self._state.warn(str(error))


def _is_its_own(error: Exception) -> bool:
    """Whether it is about this entry: a database that is away says nothing of what is in it."""
    if isinstance(error, IntegrityViolation):
        return True
    return not isinstance(error, DatabaseError | OSError)


async def finish_work(
    parts: Parts, state: State, task: Task, attempt: Attempt, spooled: SpooledReport
) -> Report:
    """Commit what a success left uncommitted, keep what anything else left.

    A success whose work can't be committed is a failure. Raises `DatabaseError`.
    """
    report = spooled.report
    if report.trial is not None:
        await _keep_iteration(parts, state, task, attempt, report.trial)
    elif report.outcome.kind is OutcomeKind.SUCCEEDED and report.head_commit is None:
        report = await _committed(parts, task, attempt, spooled)
    outcome = report.outcome
    if outcome.kind is not OutcomeKind.SUCCEEDED:
        await salvage(parts, state, task, attempt, outcome.message or outcome.kind)
    try:
        asking = await approvals.asking(parts, task, report)
    except GitError:
        # The landing asks too, before anything moves.
        return report
    if asking is None and report.trial is not None:
        tip = await parts.repository.resolve(f"refs/heads/{report.trial.target}")
        asking = Asking(review_id=report.landing_id, target_commit=tip)
    return replace(report, asking=asking)


async def _keep_iteration(
    parts: Parts, state: State, task: Task, attempt: Attempt, trial: Trial
) -> None:
    """An iteration lands, or is gone on with, by its commit: its place is cleared in any case."""
    if attempt.worktree_path is None:
        return
    try:
        message = f"{task.summary}\n\nIteration {trial.number}: what measuring it left."
        await workspace.give_up(parts, attempt, message)
    except DatabaseError:
        raise
    except (AbathurError, OSError) as error:
        state.warn(f"the worktree of an iteration is left for later: {error}", task)


async def _committed(parts: Parts, task: Task, attempt: Attempt, spooled: SpooledReport) -> Report:
    report = spooled.report
    message = f"{task.summary}\n\nLeft by the agent uncommitted."
    try:
        path = Path(attempt.worktree_path or "")
        unfinished = await parts.repository.unfinished(path)
        if unfinished is not None:
            # What is in the middle of something isn't what the agent wanted to hand in.
            raise GitError(f"the agent ended in the middle of {unfinished}; nothing of it lands")
        head = await parts.repository.commit_leftovers(path, message)
    except (AbathurError, OSError) as error:
        text = " ".join(str(error).split()) or type(error).__name__
        return replace(
            report, outcome=replace(report.outcome, kind=OutcomeKind.FAILED, message=text)
        )
    outcome = approvals.judged(report.outcome, is_changed=head != spooled.start)
    return replace(report, outcome=outcome, head_commit=head)


async def salvage(parts: Parts, state: State, task: Task, attempt: Attempt, why: str) -> None:
    """Keep what was made and clear the place; what can't be kept stays put.

    Raises `DatabaseError` when the place of what was kept can't be written down.
    """
    if attempt.worktree_path is None:
        return
    try:
        message = f"{task.summary}\n\nUnfinished: {why}."
        ref = await workspace.give_up(parts, attempt, message)
    except DatabaseError:
        raise
    except (AbathurError, OSError) as error:
        state.warn(f"the worktree is left as it is: {error}", task)
        return
    if ref is not None:
        state.tell(
            SwarmEventKind.WORK_SALVAGED,
            f"unfinished work kept at {ref}",
            task=task,
            attempt=attempt.number,
        )
