"""A short run after the run: its agent is asked once more for its result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final

from abathur.domain.errors import AbathurError
from abathur.domain.failures import FailureClass
from abathur.domain.runs import Command, EventKind, Outcome, OutcomeKind, RunEvent, RunSpec
from abathur.ports.processes import Launch
from abathur.swarm.parts import Parts
from abathur.swarm.recorder import Recorder
from abathur.swarm.state import Run

MAX_TURNS: Final = 6
MAX_SECONDS: Final = 300.0
KEPT_EVENTS: Final = 2000
TRANSCRIPT: Final = "repair.jsonl"

Launching = Callable[[Command, str, float], Launch]
"""From a command, the name of its log and its time to what is started in the attempt's place."""


class Repair:
    """Of one run, after its end, in the same place."""

    def __init__(
        self, parts: Parts, run: Run, runtime: str, spec: RunSpec, recorder: Recorder
    ) -> None:
        self._parts, self._run, self._runtime, self._spec = parts, run, runtime, spec
        self._recorder = recorder
        self.launching: Launching | None = None

    async def ask(self, prompt: str) -> Outcome:
        """Goes on with the session; anew and once where the program refuses that. Never raises."""
        if self._run.stop.is_set():
            return Outcome(kind=OutcomeKind.RELEASED, message="the swarm was stopped")
        session = self._session()
        try:
            outcome = await self._asked(replace(self._spec, prompt=prompt, resume=session))
            if outcome.is_not_resumed:
                fresh = self._parts.new_id()
                anew = replace(self._spec, prompt=prompt, resume=None, session_id=fresh)
                outcome = await self._asked(anew)
        except (AbathurError, OSError) as error:
            text = " ".join(str(error).split())
            return Outcome(kind=OutcomeKind.FAILED, message=text, failure=FailureClass.PROCESS)
        return outcome

    def unstored(self) -> tuple[tuple[int, datetime, RunEvent], ...]:
        """Events of all these runs that the database doesn't have yet."""
        return self._recorder.unstored()

    def _session(self) -> str:
        """As the program calls it, where it chose the name itself."""
        for event in reversed(self._recorder.events()):
            told = event.data.get("session_id")
            if event.kind is EventKind.STARTED and isinstance(told, str) and told:
                return told
        return self._spec.session_id

    async def _asked(self, spec: RunSpec) -> Outcome:
        assert self.launching is not None
        # A runtime of its own, for one may count over a run.
        runtime = self._parts.load_runtime(self._runtime)
        turns = min(spec.max_turns or MAX_TURNS, MAX_TURNS)
        # The schema is in the question: a program that is held to one asks once more by itself.
        command = runtime.command(replace(spec, max_turns=turns, output_schema=None))
        events: list[RunEvent] = []

        def take(line: str) -> None:
            for event in runtime.parse(line):
                self._recorder.take(event)
                events.append(event)
                del events[:-KEPT_EVENTS]

        end = await self._parts.processes.run(
            self.launching(command, TRANSCRIPT, MAX_SECONDS),
            on_started=lambda _: None,
            on_line=take,
            stop=self._run.stop,
        )
        outcome = runtime.outcome(end, events)
        if end.stopped:
            return replace(outcome, kind=OutcomeKind.RELEASED, message="the swarm was stopped")
        return outcome
