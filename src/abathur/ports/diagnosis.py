"""Facts about the machine and the project, for finding out why something doesn't work."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    python: tuple[int, ...]
    sqlite: str
    sqlite_problem: str | None = None
    """Why this release can't be trusted."""
    git: str | None
    """Its version, None when it isn't installed."""
    free_bytes: int | None
    """On the disk of the folder that was asked about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What would serve an agent type."""

    agent_type: str
    runtime: str
    program: str | None = None
    version: str | None = None
    support: str = ""
    """What is known to work, in brackets."""
    problem: str | None = None
    """Why it can't run, with what to do."""
    doubt: str = ""
    """Why it may not run, with what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where work lands that names no target."""

    branch: str | None
    """None when none is configured and none is checked out."""
    exists: bool = False
    dirty: tuple[Path, ...] = ()
    """Working trees that have it checked out with uncommitted changes."""
    closed: str = ""
    """Why nothing may land there, with what to do."""
