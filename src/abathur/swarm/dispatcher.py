"""Free slots -> claims -> workers. Also sees when there is nothing left to do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from abathur.domain.admission import AdmissionRules
from abathur.domain.closed_targets import Closure
from abathur.domain.errors import DatabaseError
from abathur.domain.needs import Need
from abathur.domain.tasks import TaskStatus
from abathur.services import claiming, joining
from abathur.services.claiming import Claim
from abathur.services.running import Holder
from abathur.swarm.admission import admission_rules
from abathur.swarm.events import SwarmEventKind
from abathur.swarm.looking import look, next_change
from abathur.swarm.parts import Parts
from abathur.swarm.state import Run, State, StopReason
from abathur.swarm.tool_server import ToolServer
from abathur.swarm.worker import Worker

MIN_WAIT_SECONDS: Final = 0.05


class Dispatcher:
    def __init__(
        self, parts: Parts, state: State, *, until_idle: bool, task_limit: int | None
    ) -> None:
        self._parts, self._state = parts, state
        self._until_idle, self._task_limit = until_idle, task_limit
        self._bell = state.bell("dispatcher")
        self._ended = 0
        self._tools = ToolServer(parts, state)

    async def loop(self, start: Callable[[Run], asyncio.Task[None]]) -> None:
        """Claim whenever there is room, until the swarm stops. `start` runs a claimed task."""
        while not self._state.stopping.is_set():
            pause = self._parts.settings.swarm.poll_seconds
            try:
                pause = await self._round(start)
            except DatabaseError as error:
                self._state.warn(f"claiming waits for the database: {error}")
            await self._bell.wait(pause)

    async def _round(self, start: Callable[[Run], asyncio.Task[None]]) -> float:
        """Claim what there is room for, or see that all is done; the seconds until the next one."""
        await self._join(start)
        free = await self._free_slots()
        if self._task_limit is not None and self._ended >= self._task_limit:
            self._state.begin_stop("limit")
        elif len(self._state.runs) < self._parts.settings.swarm.max_agents:
            return await self._look(free, start)
        # While there is no room for another run nothing matters: the end of a run rings.
        return self._parts.settings.swarm.poll_seconds

    async def _look(self, free: int, start: Callable[[Run], asyncio.Task[None]]) -> float:
        now, rules = self._parts.clock.now(), admission_rules(self._parts)
        runs = bool(self._state.runs)
        is_at_rest = self._until_idle and not runs and not self._state.landings
        found = await self._parts.db.read(look, now, rules, runs=runs, is_at_rest=is_at_rest)
        if found.has_work and free > 0:
            await self._claim(free, rules, start)
            return await self._pause()
        if not runs:
            self._tell_closed(found.closures)
        if found.rest is not None:
            self._state.begin_stop(found.rest)
        return self._until(found.next_change, now)

    async def _claim(
        self, free: int, rules: AdmissionRules, start: Callable[[Run], asyncio.Task[None]]
    ) -> None:
        claims = await self._parts.db.write(
            claiming.claim,
            worker_id=self._state.worker_id,
            limit=free,
            now=self._parts.clock.now(),
            lease=self._state.lease,
            rules=rules,
        )
        for claim in claims:
            self._begin(claim, start)

    def _tell_closed(self, found: Mapping[str, Closure]) -> None:
        """Once for each target that waiting tasks can't land on."""
        for target in found.keys() - self._state.told_closed:
            closure = found[target]
            self._state.needs_person(
                Need.HOLD, f"{closure.text}, so work for it waits; {closure.advice}"
            )
        self._state.told_closed = set(found)

    async def _join(self, start: Callable[[Run], asyncio.Task[None]]) -> None:
        """Give free slots to further candidates of what runs here, before any other task."""
        runs = self._state.runs.values()
        claims = {run.holder.task_id: run.holder for run in runs if run.is_candidate}
        for holder in claims.values():
            free = self._parts.settings.swarm.max_agents - len(self._state.runs)
            if free <= 0 or self._state.stopping.is_set():
                return
            known, now = (holder.task_id, holder.fence), self._parts.clock.now()
            rules = admission_rules(self._parts)
            if not await self._parts.db.read(joining.may_join, *known, rules, now):
                continue
            for claim in await self._parts.db.write(
                joining.join,
                holder.task_id,
                fence=holder.fence,
                worker_id=self._state.worker_id,
                limit=free,
                now=now,
                rules=rules,
            ):
                self._begin(claim, start, is_further=True)

    def _begin(
        self,
        claim: Claim,
        start: Callable[[Run], asyncio.Task[None]],
        *,
        is_further: bool = False,
    ) -> None:
        task = claim.task
        holder = Holder(task.id, claim.attempt.number, task.fence, self._state.worker_id)
        run = Run(task, claim.attempt, holder)
        if self._state.stopping.is_set():
            # The claim was on its way when the end began: nobody else will tell the run.
            run.end(StopReason.RELEASED)
        self._state.runs[run.key] = run
        self._state.claimed.add(task.id)
        kind, text = SwarmEventKind.TASK_CLAIMED, "claimed"
        if is_further:
            number = (claim.attempt.feedback or {}).get("iteration")
            kind, text = SwarmEventKind.ITERATION, f"candidate {number} begins beside the others"
        self._state.tell(
            kind,
            text,
            task=task,
            attempt=claim.attempt.number,
            ready_at=_ready_at(claim),
        )
        start(run)

    async def _free_slots(self) -> int:
        free = self._parts.settings.swarm.max_agents - len(self._state.runs)
        if self._task_limit is None:
            return free
        await self._settle_claimed()
        return min(free, self._task_limit - self._ended - len(self._state.claimed))

    async def _settle_claimed(self) -> None:
        """Count the ended among the claimed, and let go those that went back to the queue.

        So with a limit of N at most N tasks end, whoever lands them and however often they run.
        """
        open_ids = self._state.claimed - {task_id for task_id, _ in self._state.runs}
        tasks = await self._parts.db.read(lambda stores: stores.tasks.get_many(open_ids))
        for task in tasks:
            if task.status is not TaskStatus.RUNNING:
                self._state.claimed.discard(task.id)
                self._ended += task.status.is_final

    async def _pause(self) -> float:
        """After a claim. While there is no room for another run, its end rings."""
        if len(self._state.runs) >= self._parts.settings.swarm.max_agents:
            return self._parts.settings.swarm.poll_seconds
        now = self._parts.clock.now()
        return self._until(await self._parts.db.read(next_change, now), now)

    def _until(self, due: datetime | None, now: datetime) -> float:
        """Seconds until a task is due or a hold ends, and never more than the polling interval."""
        poll = self._parts.settings.swarm.poll_seconds
        if due is None:
            return poll
        return min(poll, max(MIN_WAIT_SECONDS, (due - now).total_seconds()))

    async def close(self) -> None:
        """After the last run: end what the runs have shared."""
        await self._tools.close()

    async def run_worker(self, run: Run) -> None:
        """One claimed task from start to report; frees its slot whatever happens."""
        try:
            await Worker(self._parts, self._state, run, self._tools).run()
        except DatabaseError as error:
            # The lifeline of this swarm or the next one takes it back, with its work.
            self._state.warn(f"the end of a run isn't written down: {error}", run.task)
        finally:
            self._state.runs.pop(run.key, None)
            self._state.ring_all()


def _ready_at(claim: Claim) -> datetime | None:
    """Known of a task that has never waited for anything but being claimed."""
    task = claim.task
    has_waited = claim.attempt.number > 1 or task.prerequisites or task.not_before
    return None if has_waited else task.submitted_at
