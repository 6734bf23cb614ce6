"""Telling subscribers that a resource has changed.

A commit says only that something has changed, so each resource that somebody listens to is read
again then, and told of when it isn't what it was. Nobody listens: nothing is read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from hashlib import sha256
from typing import Final

from abathur.domain.errors import AbathurError, RefusedError
from abathur.mcp import resources
from abathur.mcp.tool import Call

BEAT_SECONDS: Final = 30.0
PAUSE_SECONDS: Final = 0.2
"""Between two looks: a burst of commits is told once."""
MOST_URIS: Final = 100

Tell = Callable[[str], Awaitable[None]]


class Watch:
    """The resources that one client listens to, which may become more and fewer."""

    def __init__(self, call: Call, tell: Tell) -> None:
        self._call = call
        self._tell = tell
        self._seen: dict[str, bytes] = {}

    async def add(self, uris: Iterable[str]) -> None:
        """Raises `RefusedError` beyond `MOST_URIS`.

        What the caller may not read, or isn't there, never changes for it.
        """
        for uri in uris:
            if uri in self._seen:
                continue
            if len(self._seen) >= MOST_URIS:
                raise RefusedError(f"you listen to {MOST_URIS} resources already; leave one first")
            self._seen[uri] = await self._state(uri)

    def remove(self, uri: str) -> None:
        self._seen.pop(uri, None)

    async def run(self) -> None:
        """Until cancelled."""
        async with self._call.host.open_wakeups() as wakeups:
            while True:
                for uri in list(self._seen):
                    await self._look(uri)
                await asyncio.sleep(PAUSE_SECONDS)
                await wakeups.wait(BEAT_SECONDS)

    async def _look(self, uri: str) -> None:
        now = await self._state(uri)
        # Somebody may have left it meanwhile.
        if self._seen.get(uri, now) != now:
            self._seen[uri] = now
            await self._tell(uri)

    async def _state(self, uri: str) -> bytes:
        with suppress(AbathurError):
            return sha256((await resources.read(self._call, uri)).encode()).digest()
        return b""
