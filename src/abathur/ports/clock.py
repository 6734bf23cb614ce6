"""Time, passed in, so that tests own it."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """The present in UTC, with its zone."""
        ...

    def monotonic(self) -> float:
        """Seconds from some start; never goes backwards."""
        ...

    async def sleep(self, seconds: float) -> None: ...
