"""Use cases that wait until all of them are taken in one turn of the writers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from abathur.infrastructure.database import Database
from abathur.infrastructure.database.engines.postgres_engine import WRITERS
from abathur.ports.stores import Stores

LONG = 20
"""Seconds after which something hangs."""


async def together(
    db: Database,
    *use_cases: Callable[[Stores], Any],
    before: Callable[[list[asyncio.Future[Any]]], None] | None = None,
    answered: asyncio.Queue[Any] | None = None,
) -> list[Any]:
    """Results and exceptions of use cases that are done in one transaction, if they can be.

    `before` is told of the calls while they wait; `answered` gets the results as they come.
    """
    gates = [threading.Event() for _ in range(WRITERS.turns)]
    held = [await _held(db, gate) for gate in gates]
    try:
        calls = [asyncio.ensure_future(db.write(use_case)) for use_case in use_cases]
        for call in calls:
            if answered is not None:
                call.add_done_callback(lambda done: answered.put_nowait(done.result()))
        # The writes are submitted as soon as their coroutines begin.
        await asyncio.sleep(0)
        if before is not None:
            before(list(calls))
        gates[0].set()
        return await asyncio.gather(*calls, return_exceptions=True)
    finally:
        for gate in gates:
            gate.set()
        await asyncio.gather(*held)


async def _held(db: Database, gate: threading.Event) -> asyncio.Future[None]:
    """One turn of the writers is taken up until the gate opens."""
    loop, begun = asyncio.get_running_loop(), asyncio.Event()

    def hold(_stores: Stores) -> None:
        loop.call_soon_threadsafe(begun.set)
        if not gate.wait(LONG):
            raise TimeoutError

    call = asyncio.ensure_future(db.write(hold))
    await begun.wait()
    return call
