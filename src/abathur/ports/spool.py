"""Where a report lies safely until the database has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from abathur.domain.tasks import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolEntry:
    name: str
    content: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolContent:
    entries: Sequence[SpoolEntry]
    """In order of name."""
    set_aside: Sequence[str]
    """What this look put aside, with its reason; told once, for it isn't found again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpooledFile:
    """A file by its name alone: one that was set aside mayn't be readable."""

    name: str
    task_id: str
    attempt: int
    fence: int
    bytes: int


class Spool(Protocol):
    async def put(self, name: str, content: dict[str, Any]) -> None:
        """Durable when it returns: after a power cut it is there whole. Replaces what was there.

        Raises `SpoolError`; then what was there before is unchanged.
        """
        ...

    async def read(self) -> SpoolContent:
        """All entries. What is corrupt or half written is set aside. Raises `SpoolError`."""
        ...

    async def remove(self, name: str) -> None:
        """An entry that is gone already is no error. Raises `SpoolError`."""
        ...

    async def set_aside(self, name: str, why: str) -> str:
        """Keep the entry under another name, where it isn't read again; what to tell of it."""
        ...

    async def files(self) -> Sequence[SpooledFile]:
        """All whose names tell a claim, with those that were set aside. Raises `SpoolError`."""
        ...

    async def discard(self, name: str) -> None:
        """Remove a file that `files` named. Raises `SpoolError`."""
        ...
