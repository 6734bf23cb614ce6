"""The servers at their paths: who asks, by the token, and which way the answer takes."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser, RequireAuthMiddleware
from mcp.server.auth.provider import AccessToken
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.inbound import decode_header_value
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from abathur import __version__
from abathur.domain import tokens
from abathur.domain.delegation import Caller
from abathur.mcp.catalogue import NAMES, PARTS, tools_of
from abathur.mcp.server import Context, Desk, make_server
from abathur.mcp.tool import MOST_BYTES

if TYPE_CHECKING:
    from mcp.server.lowlevel import Server

PATH: Final = "/mcp"
LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")
MOST_SESSIONS: Final = 1000
IDLE_SECONDS: Final = 1800.0


class Known(AuthenticatedUser):
    """Whose token came with a request."""

    def __init__(self, token: str, caller: Caller) -> None:
        run = repr(caller.run)
        super().__init__(AccessToken(token=token, client_id=caller.actor, scopes=[], subject=run))
        self.caller = caller


@dataclass(frozen=True, slots=True)
class Gate:
    """Knows whose token it is."""

    key: bytes

    def known(self, scope: Scope) -> Known | None:
        kind, _, token = _header(scope, b"authorization").partition(" ")
        caller = tokens.read(self.key, token) if kind.lower() == "bearer" else None
        return None if caller is None else Known(token, caller)

    def caller_of(self, ctx: Context) -> Caller:
        """Who has sent the request, which has come through a door."""
        request = ctx.request
        assert isinstance(request, Request)
        user = request.user
        assert isinstance(user, Known)
        return user.caller


@dataclass(frozen=True, slots=True)
class Door:
    """One server over HTTP.

    A call that tells nothing before its answer is answered as plain JSON: a stream of events, and
    the tasks that watch over it, cost as much as all else of a call. What waits keeps its stream,
    and with it its progress and the client's way to give it up. Sessions, which only versions of
    the protocol before 2026-07-28 have, are all in `streams`.
    """

    gate: Gate
    streams: StreamableHTTPSessionManager
    plain: StreamableHTTPSessionManager
    waiting: frozenset[str]
    """Names of tools that tell progress."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        known = self.gate.known(scope)
        if known is not None:
            scope["user"] = known
        await RequireAuthMiddleware(self._answer, [])(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        manager = self.plain if self._is_plain(scope) else self.streams
        await manager.handle_request(scope, receive, send)

    def _is_plain(self, scope: Scope) -> bool:
        version = _header(scope, b"mcp-protocol-version")
        if version not in MODERN_PROTOCOL_VERSIONS or _header(scope, b"mcp-method") != "tools/call":
            return False
        return decode_header_value(_header(scope, b"mcp-name")) not in self.waiting

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        async with self.streams.run(), self.plain.run():
            yield


def _header(scope: Scope, name: bytes) -> str:
    """Empty when it wasn't sent."""
    headers: Sequence[tuple[bytes, bytes]] = scope["headers"]
    return next((value.decode("latin-1") for key, value in headers if key == name), "")


def paths(only: str | None) -> dict[str, str | None]:
    """Path -> the part that is served there."""
    if only is not None:
        return {PATH: only}
    return {PATH: None, **{f"{PATH}/{part}": part for part in PARTS}}


def make_app(desk: Desk, gate: Gate, *, only: str | None, names: Sequence[str]) -> ASGIApp:
    """The servers at their paths, for requests to one of the host names, and `/health`."""
    security = _security([*LOOPBACK, *names])
    doors = {path: _door(desk, gate, part, security) for path, part in paths(only).items()}

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            for door in doors.values():
                await stack.enter_async_context(door.open())
            yield

    routes = [Route(path, endpoint=door) for path, door in doors.items()]
    rest = Starlette(routes=[*routes, Route("/health", _health)], lifespan=lifespan)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        door = doors.get(scope["path"]) if scope["type"] == "http" else None
        await (door or rest)(scope, receive, send)

    return app


def _security(hosts: Sequence[str]) -> TransportSecuritySettings:
    return TransportSecuritySettings(
        allowed_hosts=[each for name in hosts for each in (name, f"{name}:*")],
        allowed_origins=[
            f"{scheme}://{name}{port}"
            for scheme in ("http", "https")
            for name in hosts
            for port in ("", ":*")
        ],
    )


def _door(desk: Desk, gate: Gate, part: str | None, security: TransportSecuritySettings) -> Door:
    server = make_server(desk, part)
    return Door(
        gate=gate,
        streams=_sessions(server, security, plain=False),
        plain=_sessions(server, security, plain=True),
        waiting=frozenset(tool.name for tool in tools_of(part).values() if tool.waits),
    )


def _sessions(
    server: Server[Any], security: TransportSecuritySettings, *, plain: bool
) -> StreamableHTTPSessionManager:
    return StreamableHTTPSessionManager(
        server,
        json_response=plain,
        security_settings=security,
        max_request_body_size=2 * MOST_BYTES,
        session_idle_timeout=IDLE_SECONDS,
        max_sessions=MOST_SESSIONS,
    )


async def _health(_: Request) -> JSONResponse:
    return JSONResponse({"ok": True, "version": __version__, "servers": list(NAMES.values())})
