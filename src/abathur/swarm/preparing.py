"""What a run needs of its host before its agent starts, and what follows when the host has failed.

An outage isn't the task's doing: it closes the pool of the host, in which all wait at no charge
until one has tried whether worktrees can be prepared again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from abathur.domain.hosts import machine_of
from abathur.domain.needs import Need
from abathur.domain.outages import Outage, outage_in
from abathur.domain.pools import host_pool
from abathur.domain.runs import Outcome, OutcomeKind
from abathur.services import pooling
from abathur.services.pooling import Draws
from abathur.swarm.events import SwarmEventKind
from abathur.swarm.meter import Meter
from abathur.swarm.parts import Parts
from abathur.swarm.state import Run, State

CALLS_AFTER: Final = 5
"""Failures in a row after which a person is told; it is tried on all the same."""


class Preparing:
    """Of one run, until its agent starts."""

    def __init__(self, parts: Parts, state: State, run: Run, meter: Meter) -> None:
        self._parts, self._state, self._run, self._meter = parts, state, run, meter
        task_id, number = run.key
        self._draws = Draws(f"{task_id}/{number}", (host_pool(parts.host),))
        self._outage: Outage | None = None

    async def done(self) -> None:
        """All is there: open the pool if this run was to try it. Raises `DatabaseError`."""
        if self._meter.tries.isdisjoint(self._draws.pools):
            return
        now = self._parts.clock.now()
        if await self._parts.db.write(pooling.answered, self._draws, now):
            self._state.tell(
                SwarmEventKind.LIMIT_OVER,
                "worktrees can be prepared again",
                task=self._run.task,
                attempt=self._run.attempt.number,
            )
            self._state.ring_all()

    def failed(self, outcome: Outcome, said: str) -> Outcome:
        """The outcome, as one of the host where that is what was said."""
        outage = self._outage = outage_in(said)
        if outcome.kind is not OutcomeKind.FAILED or outage is None:
            return outcome
        self._meter.draw_on(self._draws)
        return replace(outcome, failure=outage.failure, is_guess=True)

    async def call(self) -> None:
        """Tell a person of an outage that lasts, once. Raises `DatabaseError`."""
        if self._outage is None:
            return
        pools = await self._parts.db.read(lambda stores: stores.pools.closed())
        mine = [pool for pool in pools if pool.key in self._draws.pools]
        if max((pool.refusals for pool in mine), default=0) == CALLS_AFTER:
            self._state.needs_person(
                Need.HOLD,
                f"worktrees can't be prepared on {machine_of(self._parts.host)}: "
                f"{self._outage.line}; it is tried again by itself",
            )
