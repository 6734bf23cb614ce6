"""Calls of tools that need nothing but their answer.

The SDK is made for everything that a call may be: sampling, streams, progress, cancelling. Most
calls are none of that, and cost more there than the tool itself. What is understood completely is
answered here; all else, and whatever is wrong in any way, is the SDK's, which says so in the
protocol's words.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import orjson
from mcp.server.runner import modern_error_data
from mcp.shared.inbound import InboundModernRoute, classify_inbound_request
from mcp_types import SERVER_INFO_META_KEY
from mcp_types.methods import validate_client_request
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError
from starlette.types import Send

from abathur.domain.delegation import Caller
from abathur.mcp.calling import Reply
from abathur.mcp.catalogue import is_for
from abathur.mcp.server import Desk, answered
from abathur.mcp.tool import Json, Tool

METHOD: Final = "tools/call"
RESERVED: Final = "io.modelcontextprotocol/"
"""Begins the names that the protocol gives a meaning in `_meta`."""
MOST_ENVELOPES: Final = 1000

Headers = Mapping[bytes, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainCall:
    tool: Tool
    number: int | str
    arguments: Json
    in_session: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainCalls:
    """Of one server's tools that don't wait."""

    desk: Desk
    tools: Mapping[str, Tool]
    server_info: Json
    _envelopes: dict[str, None] = field(default_factory=dict)
    """What clients say of themselves in each request, as far as the SDK has approved it."""

    def understood(
        self, headers: Headers, body: bytes, caller: Caller, *, in_session: bool
    ) -> PlainCall | None:
        """None: the SDK should have it."""
        try:
            message = json.loads(body)
        except (ValueError, RecursionError):
            return None
        if not isinstance(message, dict) or message.keys() != {"jsonrpc", "id", "method", "params"}:
            return None
        number, params = message["id"], message["params"]
        if message["jsonrpc"] != "2.0" or message["method"] != METHOD:
            return None
        if type(number) not in {int, str} or not isinstance(params, dict):
            return None
        name, arguments = params.get("name"), params.get("arguments", {})
        tool = self.tools.get(name) if isinstance(name, str) else None
        if tool is None or not isinstance(arguments, dict) or not is_for(tool, caller):
            return None
        if not params.keys() <= {"name", "arguments", "_meta"}:
            return None
        fits = _fits_session(params) if in_session else self._fits(message, headers)
        if not fits:
            return None
        return PlainCall(tool=tool, number=number, arguments=arguments, in_session=in_session)

    def _fits(self, message: Json, headers: Headers) -> bool:
        """Whether what the client says of itself agrees with the headers, and has its form."""
        told = {key.decode(): headers.get(key, b"").decode("latin-1") for key in ROUTING}
        if not isinstance(classify_inbound_request(message, headers=told), InboundModernRoute):
            return False
        meta = message["params"]["_meta"]
        if type(meta.get("progressToken", 0)) not in {int, str}:
            return False
        envelope = {key: value for key, value in meta.items() if key.startswith(RESERVED)}
        seen = json.dumps(envelope, sort_keys=True)
        if seen not in self._envelopes:
            try:
                validate_client_request(
                    METHOD, told[ROUTING[0].decode()], {"name": "any", "_meta": envelope}
                )
            except ValidationError:
                return False
            if len(self._envelopes) >= MOST_ENVELOPES:
                self._envelopes.clear()
            self._envelopes[seen] = None
        return True

    async def answer(self, call: PlainCall, caller: Caller, send: Send) -> None:
        told: Json = {"jsonrpc": "2.0", "id": call.number}
        try:
            reply = await answered(self.desk, call.tool, call.arguments, caller, _tell_nobody)
        except Exception as error:  # a client that gets no answer would wait for it
            told["error"] = modern_error_data(error).model_dump(mode="json", exclude_none=True)
        else:
            told["result"] = self._result(reply, in_session=call.in_session)
        body = _encoded(told)
        length = str(len(body)).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", length)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _result(self, reply: Reply, *, in_session: bool) -> Json:
        result: Json = {"content": [{"type": "text", "text": reply.text}]}
        if not reply.is_error:
            result["structuredContent"] = reply.structured
        result["isError"] = reply.is_error
        if not in_session:
            result["resultType"] = "complete"
            result["_meta"] = {SERVER_INFO_META_KEY: self.server_info}
        return result


ROUTING: Final = (b"mcp-protocol-version", b"mcp-method", b"mcp-name")


def is_modern(headers: Headers) -> bool:
    """Whether a tool is called in a version without sessions."""
    version = headers.get(b"mcp-protocol-version", b"").decode("latin-1")
    return version in MODERN_PROTOCOL_VERSIONS and headers.get(b"mcp-method") == METHOD.encode()


def _fits_session(params: Json) -> bool:
    meta = params.get("_meta", {})
    if not isinstance(meta, dict) or any(key.startswith(RESERVED) for key in meta):
        return False
    return type(meta.get("progressToken", 0)) in {int, str}


async def _tell_nobody(done: float, total: float | None, message: str) -> None:
    """Tools that wait aren't called here."""


def _encoded(value: Json) -> bytes:
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:  # whole numbers of more than 64 bits, half characters
        return json.dumps(value, separators=(",", ":")).encode()
