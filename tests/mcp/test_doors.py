"""What one call over HTTP costs the server, seen from within it."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from mcp_types.version import LATEST_MODERN_VERSION
from starlette.types import ASGIApp, Message

from abathur.bootstrap.serving import key_of
from abathur.domain.delegation import Caller
from abathur.domain.tokens import issued
from abathur.mcp.doors import Gate, make_app
from abathur.mcp.http_server import listening
from abathur.mcp.server import Context, Desk
from tests.mcp.conftest import PERSON, Site

META = {
    "io.modelcontextprotocol/protocolVersion": LATEST_MODERN_VERSION,
    "io.modelcontextprotocol/clientCapabilities": {},
}


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


async def test_a_call_asks_once_who_calls_and_lists_no_tools(site: Site) -> None:
    gate = Gate(key_of(site.host.project))
    asked: list[Caller] = []

    def caller_of(ctx: Context) -> Caller:
        asked.append(gate.caller_of(ctx))
        return asked[-1]

    desk = Desk(host=site.host, caller_of=caller_of, log=site.log.append)
    app = make_app(desk, gate, only=None, names=())
    params = {"name": "task_list", "arguments": {"limit": 5}, "_meta": META}
    headers = {
        "Accept": "application/json, text/event-stream",
        "Authorization": f"Bearer {issued(gate.key, PERSON)}",
        "Mcp-Protocol-Version": LATEST_MODERN_VERSION,
        "Mcp-Method": "tools/call",
        "Mcp-Name": "task_list",
    }
    async with running(app), httpx2.AsyncClient(transport=httpx2.ASGITransport(app)) as http:
        message: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
        answer = await http.post(
            "http://localhost/mcp", json={**message, "params": params}, headers=headers
        )
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["result"]["structuredContent"]["tasks"] == []
    assert asked == [PERSON]


def test_an_answer_of_two_packets_does_not_wait_for_the_client_in_between() -> None:
    with (
        listening("127.0.0.1", 0) as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as taken,
    ):
        assert taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize("path", ["/mcp/", "/mcp/tasks/", "/nowhere"])
async def test_a_path_that_is_no_server_is_no_way_around_the_token(site: Site, path: str) -> None:
    gate = Gate(key_of(site.host.project))
    desk = Desk(host=site.host, caller_of=gate.caller_of, log=site.log.append)
    app = make_app(desk, gate, only=None, names=())
    async with running(app), httpx2.AsyncClient(transport=httpx2.ASGITransport(app)) as http:
        answer = await http.post(
            f"http://localhost{path}", content=json.dumps({}), follow_redirects=True
        )
    assert answer.status_code == (404 if path == "/nowhere" else 401)
