"""Submits the tasks of schedules when their time has come.

It knows when the next one is due and sleeps until then. The database is asked when something in it
changed, and seldom otherwise: an idle queue isn't polled.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from abathur.domain.errors import DatabaseError
from abathur.domain.wording import count
from abathur.ports.stores import Stores
from abathur.services import scheduling
from abathur.services.claiming import actor_of
from abathur.services.scheduling import Fired
from abathur.swarm.events import SwarmEventKind
from abathur.swarm.parts import Parts
from abathur.swarm.state import State

LOOK_SECONDS: Final = 300.0
"""The longest without asking the database, should a word of a change be lost."""
CLOCK_SECONDS: Final = 20.0
"""The longest without looking at the clock, which may be put forward meanwhile."""
QUIET_SECONDS: Final = 1.0
"""Between two questions to the database, as a busy queue changes all the time."""


class Scheduler:
    def __init__(self, parts: Parts, state: State) -> None:
        self._parts, self._state = parts, state
        self._bell = state.bell("schedules")
        self._due: datetime | None = None
        """When the next schedule is due, as far as is known."""
        self._asked_at = float("-inf")
        self._may_have_changed = True

    async def loop(self) -> None:
        """Runs until cancelled."""
        while True:
            try:
                await self.round()
                pause = self.seconds_to_wait()
            except DatabaseError as error:
                self._state.warn(f"schedules wait for the database: {error}")
                pause = self._parts.settings.swarm.poll_seconds
            self._may_have_changed |= await self._bell.wait(pause)

    async def round(self) -> None:
        """Submit what is due by now. Raises `DatabaseError`."""
        asks = self._may_have_changed and self._since_asked() >= QUIET_SECONDS
        if asks or self._since_asked() >= LOOK_SECONDS:
            await self._ask()
        while self._due is not None and self._due <= self._parts.clock.now():
            await self._fire(self._parts.clock.now())
            await self._ask()

    def seconds_to_wait(self) -> float:
        """Until a round is worth it, unless something changes in the database."""
        longest = CLOCK_SECONDS
        if self._may_have_changed:
            longest = max(0.0, QUIET_SECONDS - self._since_asked())
        if self._due is None:
            return longest
        left = (self._due - self._parts.clock.now()).total_seconds()
        return max(0.0, min(longest, left))

    def _since_asked(self) -> float:
        return self._parts.clock.monotonic() - self._asked_at

    async def _ask(self) -> None:
        self._may_have_changed = False
        self._due = await self._parts.db.read(_next_at)
        self._asked_at = self._parts.clock.monotonic()

    async def _fire(self, now: datetime) -> None:
        for schedule_id in await self._parts.db.read(_due, now):
            fired = await self._parts.db.write(
                scheduling.fire,
                schedule_id,
                self._parts.timetable,
                new_id=self._parts.new_id,
                now=now,
                actor=actor_of(self._state.worker_id),
            )
            if fired is not None:
                self._tell(fired)

    def _tell(self, fired: Fired) -> None:
        schedule = fired.schedule
        parts = [f"submitted {count(len(fired.tasks), 'task')}"] if fired.tasks else []
        if fired.problem:
            parts.append(f"nothing {'more ' if fired.tasks else ''}is submitted: {fired.problem}")
        if fired.missed:
            parts.append(f"{count(fired.missed, 'missed time')} passed over")
        self._state.tell(
            SwarmEventKind.SCHEDULE_FIRED,
            f"schedule {schedule.name}: {'; '.join(parts)}",
            data={"schedule": schedule.name, "tasks": [task.id for task in fired.tasks]},
        )


def _next_at(stores: Stores) -> datetime | None:
    return stores.schedules.next_at()


def _due(stores: Stores, now: datetime) -> list[str]:
    return list(stores.schedules.due(now))
