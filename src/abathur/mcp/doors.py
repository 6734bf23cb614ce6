"""The servers at their paths: who asks, by the token, and which way the answer takes."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser, RequireAuthMiddleware
from mcp.server.auth.provider import AccessToken
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from abathur import __version__
from abathur.domain import tokens
from abathur.domain.delegation import Caller
from abathur.mcp.catalogue import NAMES, PARTS, tools_of
from abathur.mcp.open_sessions import OpenSessions
from abathur.mcp.plain_calls import Headers, PlainCall, PlainCalls, is_modern
from abathur.mcp.server import Context, Desk, make_server
from abathur.mcp.tool import MOST_BYTES

PATH: Final = "/mcp"
LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")
MOST_SESSIONS: Final = 1000
IDLE_SECONDS: Final = 1800.0
SESSION: Final = b"mcp-session-id"
LONG_BYTES: Final = 65_536
"""A body of more isn't looked at before the SDK has it."""


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

    def known(self, headers: Headers) -> Known | None:
        kind, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        caller = tokens.read(self.key, token) if kind.lower() == "bearer" else None
        return None if caller is None else Known(token, caller)

    def caller_of(self, ctx: Context) -> Caller:
        """Who has sent the request, which has come through a door."""
        request = ctx.request
        assert isinstance(request, Request)
        user = request.user
        assert isinstance(user, Known)
        return user.caller


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """One server over HTTP.

    Calls that need nothing but their answer are answered by `plain`, in sessions of the versions
    before 2026-07-28 too. All else is the SDK's, in `streams`: what waits keeps its stream there,
    and with it its progress and the client's way to give it up.
    """

    gate: Gate
    streams: StreamableHTTPSessionManager
    plain: PlainCalls
    sessions: OpenSessions
    hosts: frozenset[bytes]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: Headers = dict(scope["headers"])
        known = self.gate.known(headers)
        if known is None:
            await RequireAuthMiddleware(self.streams.handle_request, [])(scope, receive, send)
            return
        scope["user"] = known
        caller, session = known.caller, headers.get(SESSION)
        if self._may_be_plain(scope, headers, caller):
            taken = await _taken(receive)
            call = self._understood(headers, taken, caller)
            if call is not None:
                await self.plain.answer(call, caller, send)
                return
            receive = _again(taken, receive)
        ends = scope["method"] == "DELETE"
        watching = self.sessions.watching(send, session, caller, ends=ends)
        await self.streams.handle_request(scope, receive, watching)

    def _may_be_plain(self, scope: Scope, headers: Headers, caller: Caller) -> bool:
        """Also whether all that has to be checked besides the body is in order."""
        accepted = headers.get(b"accept", b"")
        return (
            scope["method"] == "POST"
            and len(headers) == len(scope["headers"])
            and b"origin" not in headers
            and _host_name(headers) in self.hosts
            and headers.get(b"content-type", b"").startswith(b"application/json")
            and b"application/json" in accepted
            and b"text/event-stream" in accepted
            and self._is_of_version(headers, caller)
        )

    def _is_of_version(self, headers: Headers, caller: Caller) -> bool:
        session = headers.get(SESSION)
        if session is None:
            return is_modern(headers)
        version = headers.get(b"mcp-protocol-version")
        is_of_sessions = version is None or version.decode("latin-1") in HANDSHAKE_PROTOCOL_VERSIONS
        return is_of_sessions and self.sessions.has(session, caller)

    def _understood(
        self, headers: Headers, taken: Sequence[Message], caller: Caller
    ) -> PlainCall | None:
        last = taken[-1]
        if last["type"] != "http.request" or last.get("more_body"):
            return None
        body = b"".join(message.get("body", b"") for message in taken)
        return self.plain.understood(headers, body, caller, in_session=SESSION in headers)


def _host_name(headers: Headers) -> bytes:
    host = headers.get(b"host", b"")
    return host.rpartition(b":")[0] or host


async def _taken(receive: Receive) -> Sequence[Message]:
    """A request's body, or the beginning of a long one."""
    taken = [await receive()]
    size = len(taken[0].get("body", b""))
    while taken[-1].get("more_body") and size < LONG_BYTES:
        taken.append(await receive())
        size += len(taken[-1].get("body", b""))
    return taken


def _again(taken: Sequence[Message], receive: Receive) -> Receive:
    """`receive`, with messages before it that were taken already."""
    waiting = deque(taken)

    async def receiving() -> Message:
        return waiting.popleft() if waiting else await receive()

    return receiving


def paths(only: str | None) -> dict[str, str | None]:
    """Path -> the part that is served there."""
    if only is not None:
        return {PATH: only}
    return {PATH: None, **{f"{PATH}/{part}": part for part in PARTS}}


def make_app(desk: Desk, gate: Gate, *, only: str | None, names: Sequence[str]) -> ASGIApp:
    """The servers at their paths, for requests to one of the host names, and `/health`."""
    hosts = [*LOOPBACK, *names]
    doors = {path: _door(desk, gate, part, hosts) for path, part in paths(only).items()}

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            for door in doors.values():
                await stack.enter_async_context(door.streams.run())
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


def _door(desk: Desk, gate: Gate, part: str | None, hosts: Sequence[str]) -> Door:
    server = make_server(desk, part)
    plain = {tool.name: tool for tool in tools_of(part).values() if not tool.waits}
    return Door(
        gate=gate,
        streams=StreamableHTTPSessionManager(
            server,
            security_settings=_security(hosts),
            max_request_body_size=2 * MOST_BYTES,
            session_idle_timeout=IDLE_SECONDS,
            max_sessions=MOST_SESSIONS,
        ),
        plain=PlainCalls(desk=desk, tools=plain, server_info=server.server_info_stamp),
        sessions=OpenSessions(IDLE_SECONDS, time.monotonic),
        hosts=frozenset(name.encode() for name in hosts),
    )


async def _health(_: Request) -> JSONResponse:
    return JSONResponse({"ok": True, "version": __version__, "servers": list(NAMES.values())})
