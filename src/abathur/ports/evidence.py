"""Signs of work of a run that says nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Protocol

from abathur.domain.silence import Usage
from abathur.ports.processes import ProcessId


class Evidence(Protocol):
    """Everything here only looks. What can't be read counts as no sign."""

    async def processes(
        self, leader: ProcessId | None, tags: Mapping[str, str]
    ) -> Mapping[int, Usage]:
        """What lives of the run that `leader` began and whose processes carry the tags, by pid."""
        ...

    async def newest_change(self, folder: Path) -> float:
        """When anything below the folder changed last, git's own files left out."""
        ...

    async def busy_until(self, declaration: Path) -> datetime | None:
        """Until when the agent says that it is busy.

        The file holds a duration (`45m`), counted from when it was written, or a time.
        """
        ...
