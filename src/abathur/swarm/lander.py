"""Takes finished work from the landing queue, several at a time for each target."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from abathur.domain.admission import AdmissionRules
from abathur.domain.errors import (
    AbathurError,
    DatabaseError,
    IllegalTransitionError,
    StaleFenceError,
    UnrelatedHistoriesError,
)
from abathur.domain.landing import Landing, LandingState
from abathur.domain.outages import outage_in
from abathur.domain.runs import Attempt
from abathur.ports.stores import Stores
from abathur.services import landing as landings
from abathur.swarm import overlaps, workspace
from abathur.swarm.admission import admission_rules
from abathur.swarm.approach import Approach
from abathur.swarm.batch import Batch
from abathur.swarm.gates import LandingStoppedError
from abathur.swarm.parts import Parts
from abathur.swarm.state import LandingRun, State

MAX_PARALLEL: Final = 2
"""Targets that are landed on at once by this process; one target is never by two."""
MAX_ERRORS: Final = 5
ERROR_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 60.0
HOPELESS: Final = (UnrelatedHistoriesError,)
"""Errors that no second try makes go away."""
CANCELLED: Final = LandingState.CANCELLED

Start = Callable[[Sequence[LandingRun]], asyncio.Task[None]]


class Lander:
    def __init__(self, parts: Parts, state: State) -> None:
        self._parts, self._state = parts, state
        self._bell = state.bell("lander")
        self._errors: dict[str, int] = {}
        self._outages: dict[str, int] = {}
        self._under_way = 0
        """Targets that are landed on here at this moment."""

    async def loop(self, start: Start) -> None:
        """Claim landings until the swarm stops. `start` runs those of one target."""
        while not self._state.stopping.is_set():
            try:
                await self.claim(start)
            except DatabaseError as error:
                self._state.warn(f"landing waits for the database: {error}")
            await self._bell.wait(self._parts.settings.swarm.poll_seconds)

    async def claim(self, start: Start) -> None:
        """Take what there is to land, as much as may be landed at once."""
        while self._under_way < MAX_PARALLEL and not self._state.stopping.is_set():
            now = self._parts.clock.now()
            rules = admission_rules(self._parts)
            there, closed = await self._parts.db.read(_there, now, rules)
            if not there or self._are_held(there, now):
                return
            claimed = await self._parts.db.write(
                landings.claim_landings,
                worker_id=self._state.worker_id,
                limit=self._parts.settings.landing.batch_size,
                now=now,
                lease=self._state.lease,
                closed=closed,
            )
            if not claimed:
                return
            runs = [LandingRun(landing) for landing in claimed]
            for run in runs:
                if self._state.stopping.is_set():
                    # The claim was on its way when the end began: nobody else will tell it.
                    run.stop.set()
                self._state.landings[run.landing.id] = run
            self._under_way += 1
            start(runs)
            if all(landing.target == runs[0].landing.target for landing in there):
                return  # whose place is taken; what came meanwhile has rung

    def _are_held(self, there: Sequence[Landing], now: datetime) -> bool:
        """Whether the clock calls a lease over whose lander may well be at work.

        Claiming would take it away. So nothing is claimed until the lander has renewed it, or has
        been silent for long.
        """
        steady = self._parts.clock.monotonic()
        return any(
            landing.state is LandingState.RUNNING
            and landing.lease_until is not None
            and landing.lease_until <= now
            and not self._state.silence.is_over(landing.worker_id, steady)
            for landing in there
        )

    async def run_landings(self, runs: Sequence[LandingRun]) -> None:
        """Landings of one target to their ends; frees their place in the queue whatever happens.

        Their worktrees are cleared after that, so that the next ones needn't wait for it.
        """
        ids = [run.landing.id for run in runs]
        self._state.clearing.update(ids)
        ended: list[tuple[Landing, str]] = []
        try:
            try:
                for run in runs:
                    await overlaps.tell(self._parts, self._state, run.landing)
                await self._land(runs, ended)
            finally:
                self._under_way -= 1
                self._free(runs)
            for landing, kept_by in ended:
                await self._clear(landing, kept_by)
        finally:
            self._state.clearing.difference_update(ids)
            self._state.ring_all()

    def _free(self, runs: Sequence[LandingRun]) -> None:
        for run in runs:
            if self._state.landings.get(run.landing.id) is run:
                del self._state.landings[run.landing.id]
        self._state.ring_all()

    async def _land(self, runs: Sequence[LandingRun], ended: list[tuple[Landing, str]]) -> None:
        """`ended` is given those that came to their end, with the ref that keeps their work."""

        def end(run: LandingRun, kept_by: str) -> None:
            ended.append((run.landing, kept_by))
            self._free([run])

        batch = Batch(self._parts, self._state, runs, on_end=end, on_lost=self._let_go)
        try:
            await batch.land()
        except (StaleFenceError, LandingStoppedError, IllegalTransitionError):
            for run in batch.open:
                await self._let_go(run)
        except DatabaseError as error:
            self._state.warn(f"the landing waits for the database: {error}")
            await self._parts.clock.sleep(ERROR_PAUSE_SECONDS)
            for run in batch.open:
                await self._release(run)
        except Exception as error:
            # Locks and full disks pass; and one landing that meets a bug must not take the
            # swarm down. Alone, each shows whether it is the cause.
            left = batch.open
            if len(left) == 1:
                if (kept_by := await self._after_error(left[0], error)) is not None:
                    end(left[0], kept_by)
                return
            for run in left:
                await self._land([run], ended)

    async def _let_go(self, run: LandingRun) -> None:
        await self._release(run)
        await self._abandon(run)
        self._free([run])

    async def _after_error(self, run: LandingRun, error: Exception) -> str | None:
        """Try again a few times. What stays fails the task, unless its work has arrived."""
        landing = run.landing
        if outage_in(str(error).replace("; ", "\n")) is not None:
            await self._wait_out(run, error)
            return None
        self._errors[landing.id] = self._errors.get(landing.id, 0) + 1
        is_last = self._errors[landing.id] >= MAX_ERRORS
        if is_last or isinstance(error, HOPELESS) or await self._is_gone(landing):
            return await self._given_up(run, error)
        self._state.warn(f"the landing will be tried again: {error}")
        await self._parts.clock.sleep(ERROR_PAUSE_SECONDS)
        await self._release(run)
        return None

    async def _wait_out(self, run: LandingRun, error: Exception) -> None:
        """The network, a server or the disk failed: however long that lasts, the work waits."""
        name = run.landing.id
        self._outages[name] = times = self._outages.get(name, 0) + 1
        if times == 1:
            self._state.warn(f"the landing waits until this is over: {error}")
        seconds = min(ERROR_PAUSE_SECONDS * 2 ** min(times, 20), LONGEST_PAUSE_SECONDS)
        waits = [
            asyncio.ensure_future(self._parts.clock.sleep(seconds)),
            asyncio.ensure_future(run.stop.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        await self._release(run)

    async def _is_gone(self, landing: Landing) -> bool:
        """Whether somebody deleted its branch and had git collect its commit."""
        try:
            return await self._parts.repository.resolve(landing.work_commit) is None
        except (AbathurError, OSError):
            return False

    async def _given_up(self, run: LandingRun, error: Exception) -> str | None:
        try:
            return await Approach(self._parts, self._state, run).give_up(str(error))
        except Exception as second:
            # Whether its work has arrived can't be told now, or can't be written down.
            self._state.warn(f"the landing can't even be given up yet: {second}")
            await self._parts.clock.sleep(ERROR_PAUSE_SECONDS)
            await self._release(run)
            return None

    async def _clear(self, landing: Landing, kept_by: str) -> None:
        has_landed = kept_by.startswith("refs/heads/")
        if has_landed and self._parts.settings.swarm.keep_finished_worktrees:
            return
        try:
            attempt = await self._attempt(landing)
            if attempt is not None:
                await workspace.remove(self._parts, attempt, kept_by=kept_by)
        except (AbathurError, OSError) as error:
            self._state.warn(f"a worktree is left for later: {error}")

    async def _release(self, run: LandingRun) -> None:
        try:
            await self._parts.db.write(landings.release_landing, run.landing)
        except DatabaseError as error:
            # The lifeline finds it and tries again.
            self._state.warn(f"a landing is given back later: {error}")

    async def _abandon(self, run: LandingRun) -> None:
        """If the task was cancelled meanwhile: keep the work, clear the place."""
        try:
            now_there = await self._parts.db.read(lambda s: s.landings.get(run.landing.id))
            attempt = await self._attempt(run.landing)
            if attempt is None or now_there is None or now_there.state is not CANCELLED:
                return
            await workspace.give_up(self._parts, attempt, "Cancelled before it landed.")
        except (AbathurError, OSError) as error:
            self._state.warn(f"the worktree of cancelled work is left as it is: {error}")

    async def _attempt(self, landing: Landing) -> Attempt | None:
        return await self._parts.db.read(
            lambda stores: stores.attempts.get(landing.task_id, landing.attempt)
        )


def _there(
    stores: Stores, now: datetime, rules: AdmissionRules
) -> tuple[Sequence[Landing], frozenset[str]]:
    """What could be claimed, and the targets on which nothing can land."""
    there = landings.claimable(stores, now, rules)
    return there, landings.closed_targets(stores, rules) if there else frozenset()
