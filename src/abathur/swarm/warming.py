"""What every task needs is started with the swarm, so that the first task doesn't wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from abathur.swarm.parts import Parts


@asynccontextmanager
async def warmed_up(parts: Parts) -> AsyncIterator[None]:
    """Goes on beside what is inside. Who needs something earlier than it is ready waits for it."""
    beside = [
        asyncio.create_task(step)
        for step in (parts.processes.warm_up(), parts.repository.warm_up())
    ]
    try:
        yield
    finally:
        for step in beside:
            step.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
