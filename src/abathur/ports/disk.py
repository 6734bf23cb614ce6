"""What a swarm needs to know of the disk that it works on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from abathur.domain.disk import Kept


class Disk(Protocol):
    async def free(self) -> int | None:
        """Bytes that can be written, where there are fewest of them; None when nobody can tell."""
        ...

    async def kept(self) -> Kept:
        """Walks through all of it. Raises `GitError`."""
        ...

    async def transcripts(self) -> Sequence[str]:
        """Ids of the tasks whose transcripts are there, in the order of submission."""
        ...

    async def transcripts_size(self, task_id: str) -> int:
        """Bytes that those of all attempts of a task take; 0 when they are gone."""
        ...

    async def drop_transcripts(self, task_id: str) -> int:
        """Remove those of all attempts of a task; the bytes that were taken. Raises `OSError`.

        Those that are gone already take none.
        """
        ...
