"""Figures of a queue and its swarm, for Prometheus."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from abathur import __version__
from abathur.domain.errors import DatabaseError

if TYPE_CHECKING:
    from abathur.infrastructure.database import Database
    from abathur.infrastructure.prometheus import Read, SwarmMetrics
    from abathur.ports.configured import Configuration
    from abathur.ports.stores import UnitOfWork
    from abathur.swarm.events import Sink, SwarmEvent

SCRAPE_SECONDS = 5.0
"""A scraper isn't kept waiting for a database for longer."""


def require_extra() -> None:
    from abathur.infrastructure import prometheus

    prometheus.require_extra()


async def exposition(db: UnitOfWork, now: datetime) -> str:
    """What the database alone knows, in Prometheus' text format. Raises `DatabaseError`."""
    from abathur.infrastructure.prometheus import Read
    from abathur.infrastructure.prometheus import exposition as text
    from abathur.services import measuring

    found = await db.read(measuring.present, now)
    return text(Read(found, await db.read(measuring.past), now), __version__)


@contextmanager
def measuring_sink(
    db: Database, sink: Sink, address: tuple[str, int] | None, going_by: Configuration
) -> Iterator[Sink]:
    """The sink, with what reaches it counted and served at the address; None serves nothing.

    To be entered on the swarm's event loop. Raises `AgentUnavailableError`, `SwarmError`.
    """
    if address is None:
        yield sink
        return
    require_extra()
    from abathur.infrastructure.prometheus import SwarmMetrics

    metrics = SwarmMetrics(_reader(db), __version__)
    stop = metrics.serve(*address)
    try:
        yield Measured(metrics, sink, going_by).sink
    finally:
        stop()


def _reader(db: Database) -> Any:
    """Asks the database from the threads that scrapers are served on."""
    from abathur.infrastructure.prometheus import Read, Throttled
    from abathur.services import measuring

    loop, clock = asyncio.get_running_loop(), db.clock()

    def asked(query: Any, *args: Any) -> Any:
        with suppress(DatabaseError, TimeoutError, RuntimeError):
            found = asyncio.run_coroutine_threadsafe(db.read(query, *args), loop)
            return found.result(SCRAPE_SECONDS)
        return None

    present = Throttled(lambda: asked(measuring.present, clock.now()), clock.monotonic)
    past = Throttled(lambda: asked(measuring.past), clock.monotonic)

    def read() -> Read:
        return Read(present(), past(), clock.now())

    return read


class Measured:
    """Counts what the database can't know. How many agents there may be changes with a reload."""

    def __init__(self, metrics: SwarmMetrics, sink: Sink, going_by: Configuration) -> None:
        self._metrics, self._sink, self._going_by = metrics, sink, going_by
        self._running: set[tuple[str | None, int | None]] = set()
        self._free_since: datetime | None = None

    def sink(self, event: SwarmEvent) -> None:
        from abathur.swarm.events import SwarmEventKind as Kind

        run = (event.task_id, event.attempt)
        if event.kind is Kind.SWARM_STARTED:
            self._free_since = event.at
        elif event.kind is Kind.TASK_CLAIMED:
            self._claimed(event)
            self._count({*self._running, run}, event.at)
        elif event.kind in {Kind.ATTEMPT_ENDED, Kind.TASK_CANCELLED, Kind.TASK_WAITS}:
            self._count(self._running - {run}, event.at)
        elif event.kind is Kind.SETTINGS_CHANGED:
            self._count(self._running, event.at)
        elif event.kind is Kind.WARNING:
            self._metrics.warned()
        self._sink(event)

    def _claimed(self, event: SwarmEvent) -> None:
        since, free = event.ready_at, self._free_since
        if since is not None and free is not None and free <= since:
            self._metrics.woken((event.at - since) / timedelta(seconds=1))

    def _count(self, running: set[tuple[str | None, int | None]], at: datetime) -> None:
        self._running = running
        if len(running) >= self._going_by.settings.swarm.max_agents:
            self._free_since = None
        elif self._free_since is None:
            self._free_since = at
        self._metrics.agents(len(running))
