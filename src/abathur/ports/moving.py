"""What is told about a whole database: how its tables were brought up to date, what was copied."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Upgrade:
    """What brings a schema up to date, or has done so. Version 0 is a database without tables."""

    where: str
    before: int
    after: int
    steps: tuple[str, ...] = ()
    """Titles of the migrations, in their order."""
    copy: Path | None = None
    """The state before, when there was anything to lose."""
    converts: bool = False
    """An older Abathur's file becomes one of this schema."""

    @property
    def action(self) -> str:
        if self.converts:
            return "convert"
        if not self.steps:
            return "nothing"
        return "upgrade" if self.before else "create"


@dataclass(frozen=True, slots=True)
class CopiedTable:
    name: str
    rows: int
    sha256: str
    """Of the contents, whatever the order of the rows and the engine."""


@dataclass(frozen=True, slots=True)
class Copied:
    source: str
    target: str
    tables: tuple[CopiedTable, ...]
    """By name."""
