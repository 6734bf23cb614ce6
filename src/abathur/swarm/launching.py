"""How the programs of one attempt are started: its agent, the set-up before it, the check after."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import Final

from abathur.domain.agents import AgentSpec
from abathur.domain.outages import LAST_LINES, LONGEST_LINE
from abathur.domain.runs import Command, Exit
from abathur.domain.sandbox import Confinement
from abathur.domain.settings import CommandSetting
from abathur.ports.processes import Launch
from abathur.swarm import confining
from abathur.swarm.facts_file import write_facts
from abathur.swarm.parts import RUN_TAG, WORKER_TAG, Parts
from abathur.swarm.state import Run, State
from abathur.swarm.workspace import Workspace

BUSY_VARIABLE: Final = "ABATHUR_BUSY"
"""Names the file in which an agent may say until when it is busy."""


class Launcher:
    def __init__(self, parts: Parts, state: State, run: Run) -> None:
        self._parts, self._state, self._run = parts, state, run
        self._confinement: Confinement | None = None
        self.folder = parts.run_folder(run.task.id, run.attempt.number)
        """Of what is kept about the attempt."""
        self.scratch = self.folder / "scratch"
        self.home: Path | None = None
        """Where the agent keeps its sessions, once that is known."""

    async def confine(self, spec: AgentSpec, place: Workspace) -> None:
        """From here on all that is started is kept inside, where that is wanted."""
        self._confinement = await confining.confine(
            self._parts,
            confining.setting_for(self._parts, spec),
            place.path,
            place.branch,
            [self.scratch, *([self.home] if self.home else [])],
        )

    def launch(self, command: Command, place: Workspace, log: str, timeout: float) -> Launch:
        """`log` is a file in `folder`; `timeout` in seconds."""
        task, number = self._run.task, self._run.attempt.number
        facts = write_facts(self._parts, task, self._run.attempt, place.target)
        return Launch(
            command=command,
            cwd=place.path,
            transcript=self.folder / log,
            tags={WORKER_TAG: self._state.worker_id, RUN_TAG: f"{task.id}/{number}"},
            env={
                "ABATHUR_TASK_ID": task.id,
                "ABATHUR_ATTEMPT": str(number),
                "ABATHUR_TARGET": place.target,
                "ABATHUR_FACTS": str(facts),
                "TMPDIR": str(self.scratch),
                BUSY_VARIABLE: str(self.scratch / "busy"),
                **self._traced(),
            },
            timeout_seconds=timeout,
            grace_seconds=self._parts.grace_seconds,
            confinement=self._confined(),
        )

    async def run(self, name: str, setting: CommandSetting, place: Workspace) -> Exit:
        """A command of the project's, to its end, with the last that it said on stdout."""
        said: deque[str] = deque(maxlen=LAST_LINES)
        command = Command(argv=setting.argv, pass_env=self._parts.settings.swarm.pass_env)
        log = f"{name.replace('-', '')}.log"
        end = await self._parts.processes.run(
            self.launch(command, place, log, setting.timeout_seconds),
            on_started=lambda _: None,
            on_line=lambda line: said.append(line[:LONGEST_LINE]),
            stop=self._run.stop,
        )
        return replace(end, stdout_tail="\n".join(said))

    def _traced(self) -> dict[str, str]:
        named = self._parts.traceparent
        return {"TRACEPARENT": named(*self._run.key)} if named else {}

    def _confined(self) -> Confinement | None:
        if self._confinement is None:
            return None
        readable = (*self._confinement.readable, self.folder / "facts.json")
        return replace(self._confinement, readable=readable)
