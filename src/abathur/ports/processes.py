"""Starting programs and being sure of their end. The one place where lifetimes are kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from abathur.domain.runs import Command, Exit
from abathur.domain.sandbox import Confinement


@dataclass(frozen=True, slots=True)
class ProcessId:
    """Names a process for certain: a pid alone may be used again."""

    pid: int
    started_at: float
    """Seconds since the boot of this host on Linux, since the epoch elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A command and the surroundings that it runs in."""

    command: Command
    cwd: Path
    transcript: Path
    """stdout goes here line by line, its secrets redacted; stderr beside it, suffix `.stderr`."""
    tags: Mapping[str, str]
    """Environment variables that mark every process of this run, for finding them later."""
    env: Mapping[str, str]
    """Over the clean environment: the caller's own additions (scratch folder, task facts)."""
    timeout_seconds: float
    grace_seconds: float
    confinement: Confinement | None = None
    """What it is kept in; without one it can do all that we can."""


class Stop(Protocol):
    """Set from outside to end a run early."""

    async def wait(self) -> object: ...

    def is_set(self) -> bool: ...


class ProcessRunner(Protocol):
    async def warm_up(self) -> None:
        """Start what starting a program needs, so that the first needn't wait. Never raises."""
        ...

    async def run(
        self,
        launch: Launch,
        *,
        on_started: Callable[[ProcessId], None],
        on_line: Callable[[str], None],
        stop: Stop,
    ) -> Exit:
        """Run to the end. When this returns, raises or is cancelled, no process of the run lives.

        Lines are handed over in order, without their newline, undecodable bytes replaced, torn
        at 1 MiB. On `stop` or time-out: the command's signal to its program, TERM to everything
        tagged when that has ended or 2 s later, and KILL after `grace_seconds` in all.
        Raises `ProcessError` when the program can't be started.
        """
        ...

    def is_alive(self, process: ProcessId) -> bool: ...

    async def reap(self, tags: Mapping[str, str], grace_seconds: float) -> int:
        """End every process whose environment carries all `tags`; how many there were."""
        ...

    def me(self) -> ProcessId: ...
