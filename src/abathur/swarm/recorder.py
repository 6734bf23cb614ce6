"""Takes the lines of a running agent, reads them and brings the events into the database."""

from __future__ import annotations

import asyncio
from collections import deque
from datetime import datetime
from typing import Final

from abathur.domain.errors import DatabaseError
from abathur.domain.runs import EventKind, RunEvent
from abathur.ports.runtimes import AgentRuntime
from abathur.services import running
from abathur.swarm.events import SwarmEventKind
from abathur.swarm.meter import Meter
from abathur.swarm.parts import Parts
from abathur.swarm.state import Run, State

FLUSH_SECONDS: Final = 0.5
KEPT_TEXTS: Final = 50
MAX_STORED_EVENTS: Final = 20_000
"""Per attempt. A flood stays in the transcript file; the database isn't the place for it."""

DECISIVE: Final = frozenset(
    {
        EventKind.STARTED,
        EventKind.USAGE,
        EventKind.LIMIT,
        EventKind.DENIED,
        EventKind.WARNING,
        EventKind.END,
    }
)


class Recorder:
    def __init__(
        self, parts: Parts, state: State, run: Run, runtime: AgentRuntime, meter: Meter
    ) -> None:
        self._parts, self._state, self._run, self._runtime = parts, state, run, runtime
        self._meter = meter
        self._sequence = 0
        self._buffer: list[tuple[int, datetime, RunEvent]] = []
        self._decisive: deque[RunEvent] = deque(maxlen=1000)
        self._texts: deque[RunEvent] = deque(maxlen=KEPT_TEXTS)

    def take_line(self, line: str) -> None:
        for event in self._runtime.parse(line):
            self.take(event)

    def take(self, event: RunEvent) -> None:
        self._sequence += 1
        if event.kind in DECISIVE:
            self._decisive.append(event)
        elif event.kind is EventKind.TEXT:
            self._texts.append(event)
        if self._sequence <= MAX_STORED_EVENTS or event.kind is EventKind.END:
            self._buffer.append((self._sequence, self._parts.clock.now(), event))
        self._meter.take(event)
        self._tell(event)

    def _tell(self, event: RunEvent) -> None:
        if event.text and event.kind is not EventKind.RAW:
            self._state.tell(
                SwarmEventKind.AGENT_EVENT,
                event.text,
                task=self._run.task,
                attempt=self._run.attempt.number,
                data={"kind": event.kind.value},
            )

    def events(self) -> list[RunEvent]:
        """What the runtime's verdict needs: texts, and after them all that decides."""
        return [*self._texts, *self._decisive]

    async def keep_flushing(self) -> None:
        """Write what has come every half second, until cancelled."""
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            await self.flush_if_possible()

    async def flush_if_possible(self) -> None:
        """A database that is away for a while is no reason to lose a run: the events wait."""
        try:
            await self.flush()
        except DatabaseError as error:
            self._state.warn(f"events wait for the database: {error}", self._run.task)

    async def flush(self) -> None:
        if not self._buffer:
            return
        batch, self._buffer = self._buffer, []
        holder = self._run.holder
        try:
            await self._parts.db.write(running.add_events, holder.task_id, holder.number, batch)
        except BaseException:
            self._buffer = batch + self._buffer
            raise
