"""Sees to it that there is room: clears what is proven to be of no use, else starts nothing.

Its hold is of this host alone, and ends when there is room again; whoever works here next ends one
that was left.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from abathur.domain.admission import Hold, HoldCause, HoldScope
from abathur.domain.cleaning import Unneeded, UnneededKind, told
from abathur.domain.disk import Kept, shortage
from abathur.domain.errors import AbathurError
from abathur.domain.hosts import machine_of
from abathur.domain.needs import Need
from abathur.domain.wording import count, size_text
from abathur.services import cleaning, pausing
from abathur.services.claiming import actor_of
from abathur.swarm.caretaker import Caretaker
from abathur.swarm.cleaning import Cleaner
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
CLEAR_SECONDS: Final = 3600.0
"""Between two looks for what is of no use, when there is room."""
AT_ONCE: Final = 20
"""Tasks whose transcripts go before it is looked at the room again."""


class DiskWatch:
    def __init__(self, parts: Parts, state: State) -> None:
        self._parts, self._state = parts, state
        self._bell = state.bell("disk")
        self._caretaker = Caretaker(parts, state)
        self._kept: Kept | None = None
        self._measured_at = self._cleaned_at = self._cleared_at = float("-inf")
        self._cleaner = Cleaner(
            db=parts.db,
            repository=parts.repository,
            disk=parts.disk,
            spool=parts.spool,
            actor=actor_of(state.worker_id),
            complain=state.warn,
        )
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
        held = await self._holds() if self._may_be_held else ()
        if problem := await self._shortage(is_held=bool(held)):
            await self._clean(is_held=bool(held))
            problem = await self._shortage(is_held=bool(held))
        if problem and not held and not await self._holds():
            await self._begin(problem)
        elif held and not problem:
            await self._end(held)
        if not problem and self._since(self._cleared_at) >= CLEAR_SECONDS:
            await self._clear()
        self._may_be_held = bool(problem)

    async def _shortage(self, *, is_held: bool) -> str:
        limits = self._parts.settings.disk
        if limits.max_kept is not None and self._since(self._measured_at) >= MEASURE_SECONDS:
            self._kept = await self._parts.disk.kept()
            self._measured_at = self._parts.clock.monotonic()
        return shortage(limits, await self._parts.disk.free(), self._kept, is_held=is_held)

    def _since(self, then: float) -> float:
        return self._parts.clock.monotonic() - then

    @property
    def _machine(self) -> str:
        return machine_of(self._parts.host)

    async def _holds(self) -> Sequence[Hold]:
        """Also those of earlier boots of this machine, which nobody else would end."""
        holds = await self._parts.db.read(lambda stores: stores.admission.holds())
        ours = (HoldScope.HOST, self._machine, HoldCause.DISK)
        return [one for one in holds if (one.scope, one.place, one.cause) == ours]

    async def _begin(self, problem: str) -> None:
        hold = Hold(
            id=f"{HoldCause.DISK}:{self._machine}",
            scope=HoldScope.HOST,
            name=self._machine,
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

    async def _end(self, holds: Sequence[Hold]) -> None:
        for hold in holds:
            await self._parts.db.write(
                pausing.resume,
                hold.scope,
                hold.name,
                cause=hold.cause,
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
        await self._clear()
        ids = await self._droppable()
        gone: list[Unneeded] = []
        while ids and await self._shortage(is_held=is_held):
            now, ids = ids[:AT_ONCE], ids[AT_ONCE:]
            gone += await self._removed(await self._cleaner.sized(list(map(_transcripts, now))))
            self._measured_at = float("-inf")
        if gone:
            freed = size_text(sum(one.bytes or 0 for one in gone))
            tasks = count(len(gone), "completed task")
            self._state.warn(f"transcripts of {tasks} ({freed}) were removed to make room")

    async def _droppable(self) -> Sequence[str]:
        """Completed tasks with transcripts, the first completed first, but for the newest."""
        ids = await self._parts.disk.transcripts()
        found = await self._parts.db.read(cleaning.completed, ids)
        keep = self._parts.settings.disk.keep_transcripts
        return found[: max(0, len(found) - keep)]

    async def _clear(self) -> None:
        """What is of no use whether there is room or not."""
        self._cleared_at = self._parts.clock.monotonic()
        age = self._parts.settings.disk.max_transcript_age_seconds
        found = await self._cleaner.find(
            self._parts.settings,
            self._parts.clock.now(),
            timedelta(seconds=age) if age else None,
        )
        gone = await self._removed(found)
        if gone:
            self._state.tell(SwarmEventKind.CLEANED, f"removed {told(gone)}")

    async def _removed(self, unneeded: Sequence[Unneeded]) -> Sequence[Unneeded]:
        if not unneeded:
            return []
        return await self._cleaner.remove(unneeded, self._parts.clock.now())


def _transcripts(task_id: str) -> Unneeded:
    kind = UnneededKind.TRANSCRIPTS
    return Unneeded(kind=kind, task_id=task_id, name=task_id, why="to make room")
