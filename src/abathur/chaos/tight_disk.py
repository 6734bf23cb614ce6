"""A disk that is full for a while, so that room has to be made, and waited for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from abathur.domain.disk import Kept
from abathur.ports.disk import Disk

FULL: Final = range(2, 5)
"""The looks at it at which there is no room: after the start, and until something was tried."""


@dataclass(slots=True)
class TightDisk:
    """Meets `ports.disk.Disk`."""

    real: Disk
    begins_full: bool = False
    """At the looks that `FULL` names."""
    is_full: bool = False
    looks: int = 0

    async def free(self) -> int | None:
        self.looks += 1
        if self.is_full or (self.begins_full and self.looks in FULL):
            return 0
        return await self.real.free()

    async def kept(self) -> Kept:
        return await self.real.kept()

    async def transcripts(self) -> Sequence[str]:
        return await self.real.transcripts()

    async def transcripts_size(self, task_id: str) -> int:
        return await self.real.transcripts_size(task_id)

    async def drop_transcripts(self, task_id: str) -> int:
        return await self.real.drop_transcripts(task_id)
