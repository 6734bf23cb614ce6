"""Running the project's gates on a merged tree, each in a worktree of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

from abathur.domain.errors import AbathurError
from abathur.domain.gates import Gate, GateRun, Verdict
from abathur.domain.landing import Landing
from abathur.domain.runs import Command, Exit
from abathur.ports.processes import Launch, Stop
from abathur.ports.stores import Stores
from abathur.swarm import confining
from abathur.swarm.events import SwarmEventKind
from abathur.swarm.parts import RUN_TAG, WORKER_TAG, Parts
from abathur.swarm.state import LandingRun, State
from abathur.swarm.workspace import VERIFY_PREFIX

OUTPUT_TAIL: Final = 4000
LAST_WORDS: Final = 120


class LandingStoppedError(AbathurError):
    """The landing was told to stop, or its lease is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """How a gate ended that didn't pass."""

    gate: str
    how: str
    """As in `the gate ...`."""
    exit_code: int | None
    """None when it timed out."""
    log: Path
    """The file to look into first."""
    output: str
    """The end of both of its streams."""

    @property
    def last_words(self) -> str:
        lines = [" ".join(line.split()) for line in self.output.splitlines() if line.strip()]
        return lines[-1][:LAST_WORDS] if lines else ""


class AnyStop:
    """Set as soon as one of several is."""

    def __init__(self, stops: Sequence[Stop]) -> None:
        self._stops = stops

    def is_set(self) -> bool:
        return any(stop.is_set() for stop in self._stops)

    async def wait(self) -> None:
        waits = [asyncio.ensure_future(stop.wait()) for stop in self._stops]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()


class Gates:
    """Judges the tree of one commit, on which all the given landings are."""

    def __init__(
        self, parts: Parts, state: State, runs: Sequence[LandingRun], commit: str, tree: str
    ) -> None:
        self._parts, self._state, self._runs = parts, state, runs
        self._commit, self._tree = commit, tree

    @property
    def _first(self) -> Landing:
        return self._runs[0].landing

    async def judge(self) -> Failure | None:
        """Run the target's gates in their order until one fails; None when all pass.

        What has passed on this very tree isn't run again. Raises `LandingStoppedError` when one of
        the landings is told to stop meanwhile.
        """
        for gate in self._parts.settings.gates_for(self._first.target):
            if not await self._parts.db.read(_has_passed, gate, self._tree):
                failure = await self._repeated(gate)
                if failure is not None:
                    return failure
        return None

    async def _repeated(self, gate: Gate) -> Failure | None:
        """Run it until it passes, as often as that is allowed; how it failed last."""
        failure: Failure | None = None
        for _ in range(self._parts.settings.runs_of(gate)):
            before, failure = failure, await self._once(gate, is_repeated=failure is not None)
            if failure is None and before is not None:
                self._tell_flaky(gate, before)
            if failure is None:
                break
        return failure

    async def _once(self, gate: Gate, *, is_repeated: bool) -> Failure | None:
        # By the fence too: who lost the landing may still be about to remove its own.
        path = self._parts.worktrees / f"{VERIFY_PREFIX}{self._first.id}-{self._first.fence}"
        # A gate of the target's former place may have left its worktree.
        await self._parts.repository.remove_detached_worktree(path)
        await self._parts.repository.add_detached_worktree(path, self._commit)
        log = self._free_log(gate)
        began = self._parts.clock.now()
        try:
            end = await self._run(gate, path, log)
        finally:
            await asyncio.shield(self._parts.repository.remove_detached_worktree(path))
        if end.stopped:
            raise LandingStoppedError(f"gate `{gate.name}` was stopped")
        failure = _judge(end, gate, log)
        rows = [
            GateRun(
                landing_id=run.landing.id,
                gate=gate.name,
                command=gate.digest,
                tree=self._tree,
                batch_size=len(self._runs),
                started_at=began,
                ended_at=self._parts.clock.now(),
                exit_code=None if end.timed_out else end.code,
                verdict=_verdict(end, is_repeated=is_repeated),
                log_path=str(log),
            )
            for run in self._runs
        ]
        await self._parts.db.write(add_gate_runs, rows)
        return failure

    def _free_log(self, gate: Gate) -> Path:
        """No run writes over what another one said, also not after a crash."""
        folder = self._parts.run_folder(self._first.task_id, self._first.attempt)
        folder.mkdir(parents=True, exist_ok=True)
        names = (f"{gate.name}.log" if n == 1 else f"{gate.name}-{n}.log" for n in count(1))
        return next(path for path in map(folder.joinpath, names) if not path.exists())

    async def _run(self, gate: Gate, path: Path, log: Path) -> Exit:
        settings, first = self._parts.settings, self._first
        confinement = await confining.confine(self._parts, settings.sandbox, path, None)
        launch = Launch(
            command=Command(argv=gate.argv, pass_env=settings.swarm.pass_env),
            cwd=path,
            transcript=log,
            tags={
                WORKER_TAG: self._parts.worker_id,
                RUN_TAG: f"{first.task_id}/{first.attempt}/{gate.name}",
            },
            env={
                "ABATHUR_TASK_ID": first.task_id,
                "ABATHUR_TASK_IDS": " ".join(run.landing.task_id for run in self._runs),
                "ABATHUR_TARGET": first.target,
                "ABATHUR_GATE": gate.name,
            },
            timeout_seconds=gate.timeout_seconds,
            grace_seconds=settings.swarm.grace_seconds,
            confinement=confinement,
        )
        return await self._parts.processes.run(
            launch,
            on_started=lambda _: None,
            on_line=lambda _: None,
            stop=AnyStop([run.stop for run in self._runs]),
        )

    def _tell_flaky(self, gate: Gate, before: Failure) -> None:
        self._state.tell(
            SwarmEventKind.GATE_FLAKY,
            f"gate `{gate.name}` is flaky: it {before.how} and then passed on the same tree",
            data={"gate": gate.name, "tree": self._tree, "log": str(before.log)},
        )


def _has_passed(stores: Stores, gate: Gate, tree: str) -> bool:
    return stores.gates.has_passed(gate, tree)


def add_gate_runs(stores: Stores, runs: Sequence[GateRun]) -> None:
    """Evidence, so it needs no fence."""
    stores.gates.insert(runs)


def _verdict(end: Exit, *, is_repeated: bool) -> Verdict:
    if end.timed_out:
        return Verdict.TIMED_OUT
    if end.code != 0:
        return Verdict.FAILED
    return Verdict.FLAKY if is_repeated else Verdict.PASSED


def _judge(end: Exit, gate: Gate, log: Path) -> Failure | None:
    if end.code == 0 and not end.timed_out:
        return None
    how = f"ended with exit code {end.code}"
    if end.timed_out:
        how = f"timed out after {gate.timeout_seconds} s"
    return Failure(
        gate=gate.name,
        how=how,
        exit_code=None if end.timed_out else end.code,
        log=_telling(log),
        output=_tail(log),
    )


def _streams(log: Path) -> tuple[Path, Path]:
    return log, log.with_name(log.name + ".stderr")


def _tail(log: Path) -> str:
    texts = [_end_of(path) for path in _streams(log) if path.is_file()]
    return "\n".join(text for text in texts if text)


def _end_of(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - OUTPUT_TAIL))
        return file.read().decode("utf-8", "replace").strip()


def _telling(log: Path) -> Path:
    """Test runners differ in which stream they speak on."""
    said = [path for path in _streams(log) if path.is_file() and path.stat().st_size]
    return said[-1] if said else log
