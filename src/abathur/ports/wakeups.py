"""Word that something in the queue changed. May be lost: polling is the truth."""

from __future__ import annotations

from typing import Protocol


class Wakeups(Protocol):
    async def wait(self, timeout_seconds: float) -> bool:
        """Return True soon after a commit of any process, False when the time is over.

        A commit between two calls is reported by the next call, so nothing slips through.
        """
        ...
