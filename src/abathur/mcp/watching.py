"""Telling subscribers that a resource has changed.

A commit says only that something has changed, so each resource that somebody listens to is read
again then, and told of when it isn't what it was. Nobody listens: nothing is read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from hashlib import sha256
from typing import Final

from abathur.domain.errors import AbathurError
from abathur.mcp import resources
from abathur.mcp.tool import Call

BEAT_SECONDS: Final = 30.0
PAUSE_SECONDS: Final = 0.2
"""Between two looks: a burst of commits is told once."""
MOST_URIS: Final = 100

Tell = Callable[[str], Awaitable[None]]


async def watch(call: Call, uris: list[str], tell: Tell) -> None:
    """Until cancelled. What the caller may not read, or isn't there, never changes for it."""
    seen = {uri: await _state(call, uri) for uri in uris[:MOST_URIS]}
    async with call.host.open_wakeups() as wakeups:
        while True:
            if not await wakeups.wait(BEAT_SECONDS):
                continue
            for uri, before in seen.items():
                now = await _state(call, uri)
                if now != before:
                    seen[uri] = now
                    await tell(uri)
            await asyncio.sleep(PAUSE_SECONDS)


async def _state(call: Call, uri: str) -> bytes:
    with suppress(AbathurError):
        return sha256((await resources.read(call, uri)).encode()).digest()
    return b""
