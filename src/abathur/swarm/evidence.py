"""Watches one run: ends it when its time is up, or when it is silent and nothing of it moves.

Before either, what is uncommitted is kept. A run that talks costs one wake-up each `silence.after`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from abathur.domain.errors import AbathurError
from abathur.domain.runs import EventKind, RunEvent
from abathur.domain.settings import SilenceSettings
from abathur.domain.silence import Ladder, Sight, Step, signs, told
from abathur.ports.processes import ProcessId
from abathur.services import running
from abathur.swarm.events import SwarmEventKind
from abathur.swarm.parts import RUN_TAG, Parts
from abathur.swarm.recorder import Recorder
from abathur.swarm.state import Run, State, StopReason

MIN_PAUSE_SECONDS: Final = 0.05
SNAPSHOT_SECONDS: Final = 60.0
"""Before a run is ended; one that hangs isn't kept alive by a disk that does too."""
BASELINE_SHARE: Final = 0.5
"""Of `silence.after`: when a silent run is looked at first, for the second look to compare."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """Where and how a run is to be watched."""

    worktree: Path
    base: str
    """The commit that the work began with."""
    declaration: Path
    """Where the agent may say until when it is busy."""
    timeout_seconds: float
    silence: SilenceSettings
    leader: ProcessId


class Watch:
    def __init__(
        self, parts: Parts, state: State, run: Run, recorder: Recorder, watched: Watched
    ) -> None:
        self._parts, self._state, self._run = parts, state, run
        self._recorder, self._watched = recorder, watched
        self._ladder = Ladder(watched.silence)
        self._before: tuple[float, Sight] | None = None
        self._look_at = 0.0

    async def loop(self) -> None:
        """Until the run is asked to end; cancel it when the run is over."""
        clock, heard = self._parts.clock, self._recorder.heard_at
        over_at = clock.monotonic() + self._watched.timeout_seconds
        self._begin_anew()
        while not self._run.stop.is_set():
            now = clock.monotonic()
            if now >= over_at:
                await self._time_out()
                return
            if self._recorder.heard_at != heard:
                heard = self._recorder.heard_at
                self._begin_anew()
            elif now >= self._look_at:
                await self._look(now - heard)
            until = min(over_at, self._look_at)
            await clock.sleep(max(MIN_PAUSE_SECONDS, until - clock.monotonic()))

    def _begin_anew(self) -> None:
        """It has spoken."""
        self._ladder, self._before = Ladder(self._watched.silence), None
        after = self._watched.silence.after_seconds
        wait = after * BASELINE_SHARE if after else float("inf")
        self._look_at = self._recorder.heard_at + wait

    async def _look(self, silent: float) -> None:
        now, sight = self._parts.clock.monotonic(), await self._sight()
        before, self._before = self._before, (now, sight)
        after = self._watched.silence.after_seconds
        if before is None:
            self._look_at = self._recorder.heard_at + after
            return
        self._look_at = now + after
        found = signs(before[1], sight, now - before[0])
        self._ladder, step = self._ladder.climbed(found, silent)
        text = told(silent, found, len(sight.processes), step)
        self._tell(text, {"signs": sorted(found), "step": step, "silent_seconds": round(silent)})
        if step is Step.END:
            await self._keep("it was silent")
            self._run.why = text
            self._run.end(StopReason.SILENT)

    async def _sight(self) -> Sight:
        task, number = self._run.task, self._run.attempt.number
        evidence, tags = self._parts.evidence, {RUN_TAG: f"{task.id}/{number}"}
        busy_until = await evidence.busy_until(self._watched.declaration)
        return Sight(
            processes=await evidence.processes(self._watched.leader, tags),
            newest_change=await evidence.newest_change(self._watched.worktree),
            declared=busy_until is not None and busy_until > self._parts.clock.now(),
            open_call=self._recorder.has_open_call,
        )

    def _tell(self, text: str, data: dict[str, object]) -> None:
        self._recorder.take(RunEvent(EventKind.WATCH, text, data))
        self._state.tell(
            SwarmEventKind.AGENT_SILENT,
            text,
            task=self._run.task,
            attempt=self._run.attempt.number,
            data=data,
        )

    async def _time_out(self) -> None:
        await self._keep("its time was up")
        self._run.end(StopReason.TIMED_OUT)

    async def _keep(self, why: str) -> None:
        """A salvage ref of what is there now: an agent that is told to end may tidy up."""
        task, number = self._run.task, self._run.attempt.number
        repository = self._parts.repository
        try:
            async with asyncio.timeout(SNAPSHOT_SECONDS):
                message = f"{task.summary}\n\nUnfinished: {why}."
                commit = await repository.snapshot(self._watched.worktree, message)
                if commit is None or await repository.contains(self._watched.base, commit):
                    return
                ref = await repository.salvage(task.id, number, commit)
                now = self._parts.clock.now()
                await self._parts.db.write(running.add_salvage, task.id, number, ref, commit, now)
        except (AbathurError, OSError) as error:  # TimeoutError is an OSError
            self._state.warn(f"no snapshot before ending the run: {str(error) or 'no time'}", task)
