"""Sees to it that there is room: clears what is proven to be of no use, else starts nothing.

Its hold is of this host alone, and ends when there is room again; whoever works here next ends one
that was left.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from abathur.domain.admission import Hold, HoldCause, HoldScope
from abathur.domain.audit import Action
from abathur.domain.disk import Kept, shortage
from abathur.domain.errors import AbathurError
from abathur.domain.needs import Need
from abathur.domain.tasks import TaskStatus
from abathur.domain.wording import count, size_text
from abathur.ports.stores import Stores
from abathur.services import pausing, trail
from abathur.services.claiming import actor_of
from abathur.swarm.caretaker import Caretaker
from abathur.swarm.events import SwarmEventKind
from abathur.swarm.parts import Parts
from abathur.swarm.state import State

LOOK_SECONDS: Final = 15.0
"""Between two looks at the room, when nothing happens."""
QUIET_SECONDS: Final = 1.0
"""Between two looks when much happens."""
MEASURE_SECONDS: Final = 300.0
"""Between two measurements of what is kept, which are walks through all of it."""
CLEAN_SECONDS: Final = 60.0
AT_ONCE: Final = 20
"""Tasks whose transcripts go before it is looked at the room again."""


class DiskWatch:
    def __init__(self, parts: Parts, state: State) -> None:
        self._parts, self._state = parts, state
        self._bell = state.bell("disk")
        self._caretaker = Caretaker(parts, state)
        self._kept: Kept | None = None
        self._measured_at = self._cleaned_at = float("-inf")
        self._may_be_held = True
        self._complained = ""

    async def loop(self) -> None:
        """Runs until cancelled."""
        while True:
            await self._parts.clock.sleep(QUIET_SECONDS)
            await self._bell.wait(LOOK_SECONDS)
            await self.round()

    async def round(self) -> None:
        try:
            await self._look()
            self._complained = ""
        except (AbathurError, OSError) as error:
            if str(error) != self._complained:
                self._complained = str(error)
                self._state.warn(f"the room on the disk isn't known: {error}")

    async def _look(self) -> None:
        hold = await self._hold() if self._may_be_held else None
        if problem := await self._shortage(is_held=hold is not None):
            await self._clean(is_held=hold is not None)
            problem = await self._shortage(is_held=hold is not None)
        if problem and hold is None:
            hold = await self._hold()
        if problem and hold is None:
            await self._begin(problem)
        elif hold is not None and not problem:
            await self._end()
        self._may_be_held = bool(problem)

    async def _shortage(self, *, is_held: bool) -> str:
        limits = self._parts.settings.disk
        if limits.max_kept is not None and self._since(self._measured_at) >= MEASURE_SECONDS:
            self._kept = await self._parts.disk.kept()
            self._measured_at = self._parts.clock.monotonic()
        return shortage(limits, await self._parts.disk.free(), self._kept, is_held=is_held)

    def _since(self, then: float) -> float:
        return self._parts.clock.monotonic() - then

    async def _hold(self) -> Hold | None:
        holds = await self._parts.db.read(lambda stores: stores.admission.holds())
        ours = (HoldScope.HOST, self._parts.host, HoldCause.DISK)
        return next((one for one in holds if (one.scope, one.name, one.cause) == ours), None)

    async def _begin(self, problem: str) -> None:
        hold = Hold(
            id=f"{HoldCause.DISK}:{self._parts.host}",
            scope=HoldScope.HOST,
            name=self._parts.host,
            cause=HoldCause.DISK,
            reason=problem,
            hold_until=None,
            created_by=actor_of(self._state.worker_id),
            created_at=self._parts.clock.now(),
        )
        await self._parts.db.write(pausing.pause, hold)
        self._state.needs_person(
            Need.HOLD, f"nothing is started on {hold.name} until there is room: {problem}"
        )

    async def _end(self) -> None:
        await self._parts.db.write(
            pausing.resume,
            HoldScope.HOST,
            self._parts.host,
            cause=HoldCause.DISK,
            now=self._parts.clock.now(),
            actor=actor_of(self._state.worker_id),
        )
        self._state.tell(SwarmEventKind.ROOM_AGAIN, "there is room on the disk again")
        self._state.ring_all()

    async def _clean(self, *, is_held: bool) -> None:
        if self._since(self._cleaned_at) < CLEAN_SECONDS:
            return
        self._cleaned_at = self._parts.clock.monotonic()
        await self._caretaker.tidy()
        self._measured_at = float("-inf")
        ids = await self._droppable()
        gone, freed = 0, 0
        while ids and await self._shortage(is_held=is_held):
            now, ids = ids[:AT_ONCE], ids[AT_ONCE:]
            sizes = {task_id: await self._parts.disk.drop_transcripts(task_id) for task_id in now}
            await self._parts.db.write(
                _tell_dropped, sizes, self._parts.clock.now(), actor_of(self._state.worker_id)
            )
            gone, freed = gone + len(sizes), freed + sum(sizes.values())
            self._measured_at = float("-inf")
        if gone:
            tasks = count(gone, "completed task")
            self._state.warn(
                f"transcripts of {tasks} ({size_text(freed)}) were removed to make room"
            )

    async def _droppable(self) -> Sequence[str]:
        """Completed tasks with transcripts, the first completed first, but for the newest."""
        ids = await self._parts.disk.transcripts()
        found = await self._parts.db.read(_completed, ids)
        keep = self._parts.settings.disk.keep_transcripts
        return found[: max(0, len(found) - keep)]


def _completed(stores: Stores, ids: Sequence[str]) -> list[str]:
    tasks = stores.tasks.get_many(ids)
    done = [task for task in tasks if task.status is TaskStatus.COMPLETED]
    done.sort(key=lambda task: (task.completed_at or task.last_updated_at, task.id))
    return [task.id for task in done]


def _tell_dropped(stores: Stores, sizes: dict[str, int], now: datetime, actor: str) -> None:
    for task_id, size in sizes.items():
        trail.record(stores, Action.TRANSCRIPTS_REMOVED, task_id, actor, now, bytes=size)
