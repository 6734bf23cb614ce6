"""Running a server: over stdio for one client, or over HTTP for many."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from abathur import bootstrap
from abathur.bootstrap import serving
from abathur.bootstrap.embedding import EmbedderOnce, keep_embedded
from abathur.bootstrap.targets import OpenedOnce
from abathur.domain.delegation import Caller
from abathur.domain.errors import AgentUnavailableError
from abathur.mcp.tool import Host

if TYPE_CHECKING:
    from abathur.bootstrap import Project
    from abathur.mcp.server import Desk
    from abathur.ports.clock import Clock
    from abathur.ports.stores import UnitOfWork
    from abathur.ports.wakeups import Wakeups

    class Database(UnitOfWork, Protocol):
        """What a server needs of one."""

        def clock(self) -> Clock: ...

        def wakeups(self) -> AbstractAsyncContextManager[Wakeups]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a server over HTTP is to be found."""

    host: str = "127.0.0.1"
    port: int = 0
    """0: any that is free."""
    names: tuple[str, ...] = ()
    """Further names of this host, under which requests are taken."""
    worker: str | None = None
    """The supervisor that it serves."""


def require_extra() -> None:
    """Raise `AgentUnavailableError` when the protocol's library isn't installed."""
    from importlib.util import find_spec

    if find_spec("mcp") is None or find_spec("uvicorn") is None:
        raise AgentUnavailableError(
            "servers need the extra `mcp`: install it with `pip install 'abathur[mcp]'`"
        )


def host_of(project: Project, db: Database) -> Host:
    return Host(
        project=project,
        db=db,
        now=db.clock().now,
        new_id=bootstrap.new_id,
        open_wakeups=db.wakeups,
        repository=OpenedOnce(project),
        embedder=EmbedderOnce(project),
    )


async def serve_stdio(project: Project, caller: Caller, only: str | None) -> None:
    """Until stdin ends and what was asked before is answered. Nothing but the protocol reaches
    stdout: whatever else is printed there goes to stderr.
    """
    require_extra()
    from mcp.server.stdio import stdio_server

    from abathur.mcp.catalogue import tools_of
    from abathur.mcp.server import Desk, make_server
    from abathur.mcp.unanswered import Incoming, Outgoing, Unanswered

    quieten()
    unanswered = Unanswered({tool.name for tool in tools_of(only).values() if tool.waits})
    with serving.call_log(project) as log:
        async with stdio_server() as (incoming, outgoing), serving.opened(project) as db:
            desk = Desk(host=host_of(project, db), caller_of=lambda _: caller, log=log)
            server = make_server(desk, only)
            async with _embedding(desk, db.clock()):
                await server.run(
                    Incoming(incoming, unanswered),
                    Outgoing(outgoing, unanswered),
                    server.create_initialization_options(),
                )


async def serve_http(
    project: Project, only: str | None, place: Place, ready: Callable[[str], None]
) -> None:
    """Until a signal comes.

    `ready` is told the address once requests are taken. Raises `OSError`.
    """
    require_extra()
    from abathur.mcp import doors, http_server
    from abathur.mcp.server import Desk

    quieten()
    gate = doors.Gate(serving.key_of(project))
    shown = f"[{place.host}]" if ":" in place.host else place.host
    async with AsyncExitStack() as stack:
        log = stack.enter_context(serving.call_log(project))
        db = await stack.enter_async_context(serving.opened(project))
        desk = Desk(host=host_of(project, db), caller_of=gate.caller_of, log=log)
        app = doors.make_app(desk, gate, only=only, names=(shown, *place.names))

        def started(port: int) -> None:
            url = f"http://{shown}:{port}{doors.PATH}"
            stack.enter_context(serving.announced(project, url, place.worker))
            ready(url)

        await stack.enter_async_context(_embedding(desk, db.clock()))
        await http_server.serve(app, place.host, place.port, started)


@asynccontextmanager
async def _embedding(desk: Desk, clock: Clock) -> AsyncIterator[None]:
    """Vectors are made beside the calls while it is open."""
    host = desk.host
    beside = asyncio.create_task(
        keep_embedded(host.project, host.db, host.embedder, clock, desk.log)
    )
    try:
        yield
    finally:
        beside.cancel()
        await asyncio.wait([beside])


def quieten() -> None:
    """The libraries' own talk is for those who debug them."""
    for name in ("mcp", "uvicorn", "anyio", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
