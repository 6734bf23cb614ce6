"""A swarm's traces: made from what is written down, sent to a collector beside the work."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from abathur.bootstrap import Project
    from abathur.domain.settings import TraceSettings
    from abathur.domain.spans import Place, Span
    from abathur.infrastructure.database import Database
    from abathur.ports.traces import TraceExporter
    from abathur.swarm.events import Sink, SwarmEvent
    from abathur.swarm.parts import Parts

LAST_SECONDS = 5.0
"""At a swarm's end, for what wasn't sent yet."""
MAX_KNOWN = 1000


@asynccontextmanager
async def tracing(
    project: Project, db: Database, sink: Sink
) -> AsyncIterator[tuple[Sink, Callable[[Parts], Parts] | None]]:
    """The sink, which sees to it that what happened to tasks is traced, and what to do to the
    parts of the swarm for it; None when nothing is traced.

    To be entered on the swarm's event loop. Raises `AgentUnavailableError`.
    """
    exporter = _exporter(project, db, sink)
    if exporter is None:
        yield sink, None
        return
    follower = _Follower(db, exporter, sink)
    working = asyncio.create_task(follower.work())
    try:
        yield follower.sink, _telling_agents(exporter)
    finally:
        await follower.finish(working)
        await asyncio.to_thread(exporter.close, LAST_SECONDS)


def _exporter(project: Project, db: Database, sink: Sink) -> TraceExporter | None:
    settings = project.settings.traces
    if not _are_wanted(settings, os.environ):
        return None
    from abathur import __version__
    from abathur.bootstrap import new_id
    from abathur.infrastructure import otlp
    from abathur.infrastructure.secrets import redactor_for
    from abathur.infrastructure.trace_journal import TraceJournal
    from abathur.swarm.events import SwarmEvent, SwarmEventKind

    otlp.require_extra()
    instance, clock, loop = new_id(), db.clock(), asyncio.get_running_loop()

    def complain(text: str) -> None:
        warning = SwarmEvent(kind=SwarmEventKind.WARNING, at=clock.now(), text=text)
        with suppress(RuntimeError):  # the loop is over
            loop.call_soon_threadsafe(sink, warning)

    return otlp.OtlpTraces(
        endpoint=settings.endpoint,
        service={
            "service.name": settings.service_name,
            "service.version": __version__,
            "service.instance.id": instance,
        },
        journal=TraceJournal(project.folder / "traces", instance),
        redactor=redactor_for(project.settings),
        complain=complain,
    )


def _are_wanted(settings: TraceSettings, env: Mapping[str, str]) -> bool:
    """The project's word counts, else whether the environment names a collector."""
    if settings.enabled is not None:
        return settings.enabled
    if settings.endpoint is not None:
        return True
    if env.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    if "otlp" not in env.get("OTEL_TRACES_EXPORTER", "otlp"):
        return False
    names = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    return any(env.get(name) for name in names)


def _telling_agents(exporter: TraceExporter) -> Callable[[Parts], Parts]:
    from abathur.domain.spans import run_place
    from abathur.domain.traces import traceparent

    def named(task_id: str, attempt: int) -> str:
        sampled = exporter.is_sampled(task_id)
        return traceparent(task_id, *run_place(attempt), is_sampled=sampled)

    return lambda parts: replace(parts, traceparent=named)


class _Follower:
    """Reads of each task that something happened to, and hands on what of it wasn't told yet."""

    def __init__(self, db: Database, exporter: TraceExporter, sink: Sink) -> None:
        self._db, self._exporter, self._sink = db, exporter, sink
        self._wanted: asyncio.Queue[str | None] = asyncio.Queue()
        self._told: dict[str, set[tuple[Place, datetime]]] = {}
        """Task -> spans that were put. Those that nothing happens to for long are forgotten."""

    def sink(self, event: SwarmEvent) -> None:
        from abathur.swarm.events import SwarmEventKind as Kind

        telling = {Kind.ATTEMPT_ENDED, Kind.TASK_TAKEN_BACK, Kind.LANDING_REFUSED}
        ended = {Kind.TASK_COMPLETED, Kind.TASK_FAILED, Kind.TASK_CANCELLED}
        if event.task_id is not None and event.kind in telling | ended:
            self._want(event.task_id)
        self._sink(event)

    def _want(self, task_id: str) -> None:
        self._exporter.begin(task_id)
        self._wanted.put_nowait(task_id)

    async def work(self) -> None:
        for left in await asyncio.to_thread(self._exporter.left_behind):
            self._want(left)
        while (task_id := await self._wanted.get()) is not None:
            await self._tell(task_id)

    async def _tell(self, task_id: str) -> None:
        from abathur.services.tracing import trace

        spans: Sequence[Span] = ()
        with suppress(Exception):  # whatever it is, it costs a trace and no more
            spans = await self._db.read(trace, task_id)
        known = self._told.pop(task_id, set())
        # A task that is retried ends again, and its root with it.
        fresh = [span for span in spans if (span.place, span.end) not in known]
        self._told[task_id] = known | {(span.place, span.end) for span in fresh}
        if len(self._told) > MAX_KNOWN:
            del self._told[next(iter(self._told))]
        self._exporter.put(task_id, fresh)

    async def finish(self, working: asyncio.Task[None]) -> None:
        """Read what is still to be read, for some seconds."""
        self._wanted.put_nowait(None)
        done, _ = await asyncio.wait({working}, timeout=LAST_SECONDS)
        if not done:
            working.cancel()
