"""An app over HTTP that runs in this process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.types import ASGIApp, Message


@asynccontextmanager
async def running(app: ASGIApp) -> AsyncIterator[None]:
    orders: asyncio.Queue[Message] = asyncio.Queue()
    is_up = asyncio.Event()

    async def send(message: Message) -> None:
        is_up.set()

    scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
    life = asyncio.ensure_future(app(scope, orders.get, send))
    orders.put_nowait({"type": "lifespan.startup"})
    await is_up.wait()
    yield
    orders.put_nowait({"type": "lifespan.shutdown"})
    await life
