"""Calls that are answered without the SDK, beside the same ones that it answers."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, LATEST_MODERN_VERSION

from abathur.bootstrap.serving import key_of
from abathur.domain.delegation import Caller
from abathur.domain.tokens import issued
from abathur.mcp.doors import Gate, make_app
from abathur.mcp.open_sessions import OpenSessions
from abathur.mcp.server import Context, Desk
from tests.mcp.asgi import running
from tests.mcp.conftest import PERSON, Site

VERSION = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
INFO = "io.modelcontextprotocol/clientInfo"
META = {VERSION: LATEST_MODERN_VERSION, CAPABILITIES: {}}
MODERN = {"Mcp-Protocol-Version": LATEST_MODERN_VERSION, "Mcp-Method": "tools/call"}
FROM_A_PAGE = {"Origin": "http://localhost"}
"""A header with which a request is the SDK's in any case."""


@dataclass
class Http:
    client: httpx2.AsyncClient
    gate: Gate
    asked: list[Caller] = field(default_factory=list)
    """Callers of what the SDK has answered."""

    async def post(
        self, body: Any, headers: Mapping[str, str], caller: Caller = PERSON
    ) -> httpx2.Response:
        always = {
            "Accept": "application/json, text/event-stream",
            "Authorization": f"Bearer {issued(self.gate.key, caller)}",
            "Content-Type": "application/json",
        }
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.client.post("/mcp", content=content, headers={**always, **headers})

    async def session(self, version: str = "2025-11-25", caller: Caller = PERSON) -> dict[str, str]:
        """A new one; the headers of its requests."""
        info = {"name": "t", "version": "1"}
        params = {"protocolVersion": version, "capabilities": {}, "clientInfo": info}
        first = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}
        answer = await self.post(first, {}, caller)
        headers = {
            "Mcp-Session-Id": answer.headers["mcp-session-id"],
            "Mcp-Protocol-Version": version,
        }
        ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        assert (await self.post(ready, headers, caller)).status_code == 202
        self.asked.clear()
        return headers


@pytest.fixture
async def http(site: Site) -> AsyncIterator[Http]:
    async with served(site) as found:
        yield found


@asynccontextmanager
async def served(site: Site) -> AsyncIterator[Http]:
    gate = Gate(key_of(site.host.project))
    asked: list[Caller] = []

    def caller_of(ctx: Context) -> Caller:
        asked.append(gate.caller_of(ctx))
        return asked[-1]

    desk = Desk(host=site.host, caller_of=caller_of, log=site.log.append)
    app = make_app(desk, gate, only=None, names=())
    transport = httpx2.ASGITransport(app)
    async with (
        running(app),
        httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client,
    ):
        yield Http(client, gate, asked)


def call(name: str = "task_list", **params: Any) -> dict[str, Any]:
    params = {"name": name, "arguments": {}, **params}
    return {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}


def told(answer: httpx2.Response) -> Any:
    """What an answer says, in whichever form."""
    if answer.headers.get("content-type", "").startswith("text/event-stream"):
        lines = [line for line in answer.text.splitlines() if line.startswith("data:")]
        return json.loads(lines[-1][5:])
    return answer.json() if answer.content else None


@pytest.mark.parametrize("args", [{"limit": 3}, {"limit": "many"}, {"typo": "é \u2028 日本"}])
async def test_a_call_is_answered_as_the_sdk_would_without_asking_it(
    http: Http, args: dict[str, Any]
) -> None:
    message = call(arguments=args, _meta={**META, "progressToken": 3, "claudecode/toolUseId": "x"})
    headers = {**MODERN, "Mcp-Name": "task_list"}
    quick = await http.post(message, headers)
    assert http.asked == []
    slow = await http.post(message, {**headers, **FROM_A_PAGE})
    assert http.asked == [PERSON]
    assert quick.headers["content-type"] == slow.headers["content-type"] == "application/json"
    assert quick.json() == slow.json()


@pytest.mark.parametrize("version", HANDSHAKE_PROTOCOL_VERSIONS)
async def test_in_a_session_of_any_version_too(http: Http, version: str) -> None:
    headers = await http.session(version)
    if version == "2025-03-26":
        del headers["Mcp-Protocol-Version"]  # its clients know no such header
    message = call(arguments={"status": "completed"}, _meta={"progressToken": "p"})
    quick = await http.post(message, headers)
    assert http.asked == []
    assert quick.headers["content-type"] == "application/json"
    slow = await http.post(message, {**headers, **FROM_A_PAGE})
    assert http.asked == [PERSON]
    assert quick.json() == told(slow)


ODD: dict[str, tuple[Any, dict[str, str]]] = {
    "no JSON": (b"{", {}),
    "endless nesting": (b"[" * 100_000, {}),
    "a batch": ([call(_meta=META)], {}),
    "another version of JSON-RPC": ({**call(_meta=META), "jsonrpc": "1.0"}, {}),
    "no id": ({key: value for key, value in call(_meta=META).items() if key != "id"}, {}),
    "an id that is none": ({**call(_meta=META), "id": None}, {}),
    "an id that is a truth": ({**call(_meta=META), "id": True}, {}),
    "more beside it": ({**call(_meta=META), "more": 1}, {}),
    "another method": ({**call(_meta=META), "method": "tools/list"}, {}),
    "params that are a list": ({**call(), "params": []}, {}),
    "nothing said of the client": (call(), {}),
    "a version that isn't the header's": (call(_meta={**META, VERSION: "2025-11-25"}), {}),
    "capabilities of another form": (call(_meta={**META, CAPABILITIES: 5}), {}),
    "a client of another form": (call(_meta={**META, INFO: {"name": 1}}), {}),
    "a token for progress that is none": (call(_meta={**META, "progressToken": []}), {}),
    "a name that isn't the header's": (call("task_get", _meta=META), {}),
    "a tool that isn't there": (call("rm", _meta=META), {"Mcp-Name": "rm"}),
    "arguments that are a list": (call(arguments=[], _meta=META), {}),
    "arguments that are null": (call(arguments=None, _meta=META), {}),
    "a state of a request": (call(_meta=META, requestState="x"), {}),
    "a version that nobody knows": (call(_meta=META), {"Mcp-Protocol-Version": "2099-01-01"}),
    "another host": (call(_meta=META), {"Host": "evil.example"}),
    "no JSON wanted": (call(_meta=META), {"Accept": "text/event-stream"}),
    "another type": (call(_meta=META), {"Content-Type": "text/plain"}),
    "a session that nobody has": (call(), {"Mcp-Session-Id": "x"}),
}


async def test_whatever_is_odd_is_answered_by_the_sdk(http: Http) -> None:
    for odd, (body, headers) in ODD.items():
        sent = {**MODERN, "Mcp-Name": "task_list", **headers}
        one = await http.post(body, sent)
        other = await http.post(body, {**sent, **FROM_A_PAGE})
        assert one.status_code == other.status_code, odd
        assert one.text == other.text, odd
        assert http.asked or one.status_code != 200, odd
        http.asked.clear()


async def test_what_is_odd_in_a_session_is_answered_by_the_sdk(http: Http) -> None:
    headers = await http.session()
    for body in (call(_meta=META), call(_meta=5), call("rm")):
        one = await http.post(body, headers)
        other = await http.post(body, {**headers, **FROM_A_PAGE})
        assert (one.status_code, told(one)) == (other.status_code, told(other))


async def test_a_session_is_no_way_around_its_owner_or_its_end(http: Http) -> None:
    headers = await http.session()
    other = await http.post(call(), headers, Caller(name="eve"))
    assert other.status_code == 404
    assert (await http.post(call(), headers)).status_code == 200
    token = {"Authorization": f"Bearer {issued(http.gate.key, PERSON)}"}
    await http.client.delete("/mcp", headers={**headers, **token})
    assert (await http.post(call(), headers)).status_code == 404
    assert http.asked == []


async def test_a_bug_in_a_tool_is_an_answer_all_the_same(site: Site, http: Http) -> None:
    async def broken(*_: Any) -> None:
        raise ZeroDivisionError

    object.__setattr__(site.host, "db", type("Broken", (), {"read": broken})())
    answer = await http.post(call(_meta=META), {**MODERN, "Mcp-Name": "task_list"})
    assert answer.json()["error"]["code"] == -32603


def test_a_session_is_left_to_the_sdk_before_it_would_end_it() -> None:
    now = [0.0]
    sessions = OpenSessions(100, lambda: now[0])

    def answered(status: int, named: bytes | None, *headers: tuple[bytes, bytes]) -> None:
        async def send(_: Any) -> None:
            return

        start = {"type": "http.response.start", "status": status, "headers": headers}
        asyncio.run(sessions.watching(send, named, PERSON, ends=False)(start))  # type: ignore[arg-type]

    answered(200, None, (b"mcp-session-id", b"s"))
    assert sessions.has(b"s", PERSON)
    assert not sessions.has(b"s", Caller(name="eve"))
    now[0] = 50
    assert not sessions.has(b"s", PERSON)
    answered(200, b"s")
    assert sessions.has(b"s", PERSON)
    answered(404, b"s")
    assert not sessions.has(b"s", PERSON)
