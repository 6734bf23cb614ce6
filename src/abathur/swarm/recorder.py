"""Takes the lines of a running agent, reads them and brings the events into the database."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from datetime import datetime
from typing import Final

from abathur.domain.errors import DatabaseError, StaleFenceError
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

MAX_OPEN_CALLS: Final = 1000
MAX_SESSION: Final = 200
MAX_LAST_SAID: Final = 200

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

SAYING: Final = frozenset({EventKind.RAW, EventKind.TEXT, EventKind.WARNING})


class Recorder:
    def __init__(
        self,
        parts: Parts,
        state: State,
        run: Run,
        runtime: AgentRuntime,
        meter: Meter,
        earlier: Recorder | None = None,
    ) -> None:
        """Numbers on behind an `earlier` run of the attempt, and takes over what waits there."""
        self._parts, self._state, self._run, self._runtime = parts, state, run, runtime
        self._meter = meter
        self._sequence: int = earlier._sequence if earlier else 0
        self._buffer: list[tuple[int, datetime, RunEvent]] = []
        if earlier is not None:
            self._buffer, earlier._buffer = earlier._buffer, []
        self._open_calls: set[str] = set()
        self._session: str | None = None
        self._has_session = asyncio.Event()
        self.heard_at = parts.clock.monotonic()
        """When the last output came, by the steady clock."""
        self._last_said = ""
        self._decisive: deque[RunEvent] = deque(maxlen=1000)
        self._texts: deque[RunEvent] = deque(maxlen=KEPT_TEXTS)

    @property
    def has_open_call(self) -> bool:
        """Whether a tool that the agent called has not answered yet, as far as that is told."""
        return bool(self._open_calls)

    def silent(self, why: str, stderr_tail: str) -> str:
        """Why it was ended, and what it said last: it may be a question that nobody answered."""
        said = self._last_said or next(
            (line.strip() for line in reversed(stderr_tail.splitlines()) if line.strip()), ""
        )
        return f"{why}; it said last: {said[:MAX_LAST_SAID]}" if said else why

    def take_line(self, line: str) -> None:
        self.heard_at = self._parts.clock.monotonic()
        for event in self._runtime.parse(line):
            self.take(event)

    def take(self, event: RunEvent) -> None:
        event = self._parts.redactor.event(event)
        self._sequence += 1
        self._follow_calls(event)
        self._follow_session(event)
        if event.text and event.kind in SAYING:
            self._last_said = event.text
        if event.kind in DECISIVE:
            self._decisive.append(event)
        elif event.kind is EventKind.TEXT:
            self._texts.append(event)
        if self._sequence <= MAX_STORED_EVENTS or event.kind is EventKind.END:
            self._buffer.append((self._sequence, self._parts.clock.now(), event))
        self._meter.take(event)
        self._tell(event)

    def _follow_session(self, event: RunEvent) -> None:
        named = event.data.get("session_id")
        if event.kind is EventKind.STARTED and isinstance(named, str) and named:
            self._session = named[:MAX_SESSION]
            self._has_session.set()

    async def store_session(self) -> None:
        """Write down by which name the program itself calls the session, if it told one."""
        session, self._session = self._session, None
        if session is None:
            return
        try:
            await self._parts.db.write(running.add_session, self._run.holder, session)
        except StaleFenceError:
            pass  # the attempt is somebody else's now
        except DatabaseError as error:
            self._state.warn(f"the session {session} isn't written down: {error}", self._run.task)

    def _follow_calls(self, event: RunEvent) -> None:
        call = event.data.get("call")
        if not isinstance(call, str):
            return
        if event.kind is EventKind.TOOL_USE and len(self._open_calls) < MAX_OPEN_CALLS:
            self._open_calls.add(call)
        elif event.kind is EventKind.TOOL_RESULT:
            self._open_calls.discard(call)

    def _tell(self, event: RunEvent) -> None:
        if event.text and event.kind not in {EventKind.RAW, EventKind.WATCH}:
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

    def unstored(self) -> tuple[tuple[int, datetime, RunEvent], ...]:
        """What the database doesn't have yet; it goes with the report."""
        return tuple(self._buffer)

    async def keep_flushing(self) -> None:
        """Write what has come every half second, until cancelled.

        All recorders at the same moments: a hundred runs share a commit of the database then, and
        ring the swarm's loops once. The session's name at once: without it, nobody can go on with
        what a kill cuts off.
        """
        loop = asyncio.get_running_loop()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(until_flush(loop.time())):
                    await self._has_session.wait()
            self._has_session.clear()
            await self.store_session()
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


def until_flush(now: float) -> float:
    """Seconds until the next moment at which all recorders write, by the event loop's time."""
    return FLUSH_SECONDS - now % FLUSH_SECONDS
