"""Running the project's verify command on a merged tree, in a worktree of its own."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from abathur.domain.errors import AbathurError
from abathur.domain.landing import Landing
from abathur.domain.runs import Command, Exit
from abathur.domain.settings import CommandSetting
from abathur.ports.processes import Launch
from abathur.swarm import confining
from abathur.swarm.parts import RUN_TAG, WORKER_TAG, Parts
from abathur.swarm.state import LandingRun
from abathur.swarm.workspace import VERIFY_PREFIX

OUTPUT_TAIL: Final = 4000
LAST_WORDS: Final = 120


class LandingStoppedError(AbathurError):
    """The landing was told to stop, or its lease is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """How a check ended that didn't pass."""

    how: str
    """As in `the verify command ...`."""
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


async def check(parts: Parts, run: LandingRun, commit: str) -> Failure | None:
    """Run the verify command on the commit's tree; None when it passes or there is none.

    Raises `LandingStoppedError` when the landing is told to stop meanwhile.
    """
    verify = parts.settings.verify
    if verify is None:
        return None
    # By the fence too: who lost the landing may still be about to remove its own.
    path = parts.worktrees / f"{VERIFY_PREFIX}{run.landing.id}-{run.landing.fence}"
    # A check of the target's former place may have left its worktree.
    await parts.repository.remove_detached_worktree(path)
    await parts.repository.add_detached_worktree(path, commit)
    try:
        end = await _run(parts, run, verify, path)
    finally:
        await asyncio.shield(parts.repository.remove_detached_worktree(path))
    if end.stopped:
        raise LandingStoppedError("the verification was stopped")
    return _judge(end, verify, _log(parts, run.landing))


def _log(parts: Parts, landing: Landing) -> Path:
    return parts.run_folder(landing.task_id, landing.attempt) / "verify.log"


async def _run(parts: Parts, run: LandingRun, verify: CommandSetting, path: Path) -> Exit:
    landing = run.landing
    log = _log(parts, landing)
    log.parent.mkdir(parents=True, exist_ok=True)
    confinement = await confining.confine(parts, parts.settings.sandbox, path, None)
    launch = Launch(
        command=Command(argv=verify.argv, pass_env=parts.settings.swarm.pass_env),
        cwd=path,
        transcript=log,
        tags={
            WORKER_TAG: parts.worker_id,
            RUN_TAG: f"{landing.task_id}/{landing.attempt}/verify",
        },
        env={"ABATHUR_TASK_ID": landing.task_id, "ABATHUR_TARGET": landing.target},
        timeout_seconds=verify.timeout_seconds,
        grace_seconds=parts.settings.swarm.grace_seconds,
        confinement=confinement,
    )
    return await parts.processes.run(
        launch, on_started=lambda _: None, on_line=lambda _: None, stop=run.stop
    )


def _judge(end: Exit, verify: CommandSetting, log: Path) -> Failure | None:
    if end.code == 0 and not end.timed_out:
        return None
    how = f"ended with exit code {end.code}"
    if end.timed_out:
        how = f"timed out after {verify.timeout_seconds} s"
    return Failure(
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
