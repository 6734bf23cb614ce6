"""What is told about backups that are put in place, and about damaged files that are recovered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from abathur.domain.agents import Worker

Entry = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a database holds, in short."""

    schema_version: int
    tasks: Mapping[str, int]
    """Status -> how many."""
    last_entry: Entry | None
    """Of the audit trail: id, time, task, action."""
    last_noted: str
    """When a session wrote something last, as it is stored; empty without any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What the present database holds and the backup doesn't."""

    is_descendant: bool
    """False when the two have no common history, so that nothing can be compared."""
    entries: int
    """Changes since the backup."""
    completed: int
    fixes: int
    """How many of the changes were made by fixing."""
    sessions: int
    """Sessions that wrote something since; what they write is no change of the queue."""

    @property
    def loses_work(self) -> bool:
        return not self.is_descendant or self.entries > self.fixes or self.sessions > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A verified copy of the backup that lies ready."""

    where: str
    """The database that it takes the place of: its file, or its name on a server."""
    staged: Path
    backup: Contents
    present: Contents | None
    """None when there is none, or when it can't be read."""
    unreadable: str | None
    """Why it can't be read."""
    difference: Difference | None
    workers: Sequence[Worker]
    """Those that haven't said that they stopped, by the present database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveredTable:
    table: str
    kept: int
    lost: int
    changed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    tables: Sequence[RecoveredTable]
    damaged_pages: int
    leftovers: Path | None

    @property
    def is_complete(self) -> bool:
        is_whole = not self.damaged_pages and self.leftovers is None
        return is_whole and not any(one.lost or one.changed for one in self.tables)
