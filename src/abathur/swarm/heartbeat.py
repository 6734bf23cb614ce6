"""Keeps this worker's leases alive, and ends what it no longer holds."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from abathur.domain.errors import DatabaseError, DatabaseReplacedError
from abathur.ports.stores import Stores
from abathur.services import claiming
from abathur.services.claiming import Held
from abathur.swarm.parts import Parts
from abathur.swarm.state import LandingRun, Run, RunKey, State, StopReason

SELF_FENCE_SHARE: Final = 0.7
"""Of a lease that wasn't renewed: then agents are ended, so that they are gone before it is."""
COMPARE_PAUSE_SECONDS: Final = 0.05
"""Between two looks whether anything is lost, which rings ask for."""


class Heartbeat:
    def __init__(self, parts: Parts, state: State) -> None:
        self._parts, self._state = parts, state
        self._bell = state.bell("heartbeat")
        self._renewed_at = parts.clock.monotonic()

    async def loop(self) -> None:
        """Runs until cancelled. Between beats a ring has the fences compared by a mere read."""
        interval = self._parts.settings.swarm.heartbeat_seconds
        next_beat = 0.0
        while True:
            if self._parts.clock.monotonic() >= next_beat:
                await self._beat()
                next_beat = self._parts.clock.monotonic() + interval
            elif await self._compare():
                # A landing alone rings ten times; whoever loses a lease can wait for an instant.
                await asyncio.sleep(min(COMPARE_PAUSE_SECONDS, interval / 10))
            left = max(0.05, next_beat - self._parts.clock.monotonic())
            await self._bell.wait(left)

    async def _beat(self) -> None:
        runs, landings = self._watched()
        try:
            held = await self._renew()
        except DatabaseReplacedError:
            # No waiting helps: what is held in the lost file is held nowhere, so the swarm ends.
            raise
        except DatabaseError as error:
            self._state.warn(f"leases can't be renewed: {error}")
            self._fence_self()
            return
        self._renewed_at = self._parts.clock.monotonic()
        self._end_lost(held, runs, landings)

    async def _renew(self) -> Held:
        renewing = asyncio.ensure_future(
            self._parts.db.write(
                claiming.renew,
                worker_id=self._state.worker_id,
                now=self._parts.clock.now(),
                lease=self._state.lease,
            )
        )
        try:
            # The lease runs out too while the database neither answers nor fails.
            left = self._fence_after - (self._parts.clock.monotonic() - self._renewed_at)
            done, _ = await asyncio.wait((renewing,), timeout=max(0.0, left))
            if not done:
                self._fence_self()
            return await renewing
        finally:
            renewing.cancel()

    @property
    def _fence_after(self) -> float:
        return self._state.lease.total_seconds() * SELF_FENCE_SHARE

    async def _compare(self) -> bool:
        """Whether there was something to compare."""
        runs, landings = self._watched()
        if not runs and not landings:
            return False
        try:
            held = await self._parts.db.read(_held, self._state.worker_id)
        except DatabaseError:
            return True  # the next beat will tell
        self._end_lost(held, runs, landings)
        return True

    def _watched(self) -> tuple[dict[RunKey, Run], dict[str, LandingRun]]:
        """What ran before the database was asked: its answer knows nothing of later claims."""
        return dict(self._state.runs), dict(self._state.landings)

    def _end_lost(
        self, held: Held, runs: Mapping[RunKey, Run], landings: Mapping[str, LandingRun]
    ) -> None:
        for run in runs.values():
            # A run that reports at this moment has given its task up by itself.
            if held.tasks.get(run.task.id) != run.holder.fence:
                run.end(StopReason.LOST)
        for landing_id, landing_run in landings.items():
            if held.landings.get(landing_id) != landing_run.landing.fence:
                landing_run.stop.set()
        if held.worker is not None and held.worker.stop_requested_at is not None:
            self._state.begin_stop("request")

    def _fence_self(self) -> None:
        silent = self._parts.clock.monotonic() - self._renewed_at
        if silent >= self._fence_after:
            for run in self._state.runs.values():
                run.end(StopReason.LOST)
            for landing_run in self._state.landings.values():
                landing_run.stop.set()


def _held(stores: Stores, worker_id: str) -> Held:
    return Held(
        tasks={task.id: task.fence for task in stores.claims.held(worker_id)},
        landings={landing.id: landing.fence for landing in stores.landings.held(worker_id)},
        worker=stores.workers.get(worker_id),
    )
