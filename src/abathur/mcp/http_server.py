"""Serving over streamable HTTP: many clients, each with a token that says who it is."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import uvicorn
from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.auth.middleware.bearer_auth import BearerAuthBackend, RequireAuthMiddleware
from mcp.server.auth.provider import AccessToken
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from abathur import __version__
from abathur.domain import tokens
from abathur.domain.delegation import Caller
from abathur.mcp.catalogue import NAMES, PARTS
from abathur.mcp.server import Context, Desk, make_server
from abathur.mcp.tool import MOST_BYTES

if TYPE_CHECKING:
    from mcp.server.lowlevel import Server

PATH: Final = "/mcp"
LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")
MOST_SESSIONS: Final = 1000
IDLE_SECONDS: Final = 1800.0
GRACE_SECONDS: Final = 2
BACKLOG: Final = 512


@dataclass(frozen=True, slots=True)
class Gate:
    """Knows whose token it is."""

    key: bytes

    async def verify_token(self, token: str) -> AccessToken | None:
        caller = tokens.read(self.key, token)
        if caller is None:
            return None
        return AccessToken(token=token, client_id=caller.actor, scopes=[], subject=repr(caller.run))

    def caller_of(self, ctx: Context) -> Caller:
        """Who has sent the request, which has passed `verify_token`."""
        request = ctx.request
        assert isinstance(request, Request)
        caller = tokens.read(self.key, request.user.access_token.token)
        assert caller is not None
        return caller


def paths(only: str | None) -> dict[str, str | None]:
    """Path -> the part that is served there."""
    if only is not None:
        return {PATH: only}
    return {PATH: None, **{f"{PATH}/{part}": part for part in PARTS}}


def make_app(desk: Desk, gate: Gate, *, only: str | None, names: Sequence[str]) -> Starlette:
    """The servers at their paths, for requests to one of the host names, and `/health`."""
    served = {path: make_server(desk, part) for path, part in paths(only).items()}
    hosts = [*LOOPBACK, *names]
    security = TransportSecuritySettings(
        allowed_hosts=[each for name in hosts for each in (name, f"{name}:*")],
        allowed_origins=[
            f"{scheme}://{name}{port}"
            for scheme in ("http", "https")
            for name in hosts
            for port in ("", ":*")
        ],
    )
    doors = {path: _sessions(server, security) for path, server in served.items()}

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            for door in doors.values():
                await stack.enter_async_context(door.run())
            yield

    routes = [
        Route(path, endpoint=RequireAuthMiddleware(StreamableHTTPASGIApp(door), []))
        for path, door in doors.items()
    ]
    return Starlette(
        routes=[*routes, Route("/health", _health)],
        middleware=[
            Middleware(AuthenticationMiddleware, backend=BearerAuthBackend(gate)),
            Middleware(AuthContextMiddleware),
        ],
        lifespan=lifespan,
    )


def _sessions(
    server: Server[Any], security: TransportSecuritySettings
) -> StreamableHTTPSessionManager:
    return StreamableHTTPSessionManager(
        server,
        security_settings=security,
        max_request_body_size=2 * MOST_BYTES,
        session_idle_timeout=IDLE_SECONDS,
        max_sessions=MOST_SESSIONS,
    )


async def _health(_: Request) -> JSONResponse:
    return JSONResponse({"ok": True, "version": __version__, "servers": list(NAMES.values())})


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """An orderly end; uvicorn's own way raises the signal again, and nothing is tidied up."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._end)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    def _end(self) -> None:
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


async def serve(app: Starlette, host: str, port: int, ready: Callable[[int], None]) -> None:
    """Until a signal. `ready` is told the port once requests are taken.

    Raises `OSError` when the address can't be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family, backlog=BACKLOG) as listener:
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
            ws="none",
        )
        server = _Server(config, lambda: ready(listener.getsockname()[1]))
        await server.serve(sockets=[listener])
