"""The paths over HTTP, and the socket below them."""

import json
import socket

import httpx2
import pytest

from abathur.bootstrap.serving import key_of
from abathur.mcp.doors import Gate, make_app
from abathur.mcp.http_server import listening
from abathur.mcp.server import Desk
from tests.mcp.asgi import running
from tests.mcp.conftest import Site


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
