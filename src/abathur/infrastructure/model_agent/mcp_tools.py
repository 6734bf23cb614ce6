"""Tools of servers that speak the Model Context Protocol."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final

from abathur.infrastructure.model_agent.places import ToolError
from abathur.infrastructure.model_agent.talk import ToolShape
from abathur.infrastructure.model_agent.telling import tell
from abathur.infrastructure.model_agent.tools import MAX_TEXT, Tool

if TYPE_CHECKING:
    from mcp import Client

CONNECT_SECONDS: Final = 30.0
MAX_TOOLS: Final = 200
"""Of one server."""
_UNUSABLE: Final = re.compile(r"[^A-Za-z0-9_-]")
_MAX_NAME: Final = 64


async def connect(
    servers: Sequence[Mapping[str, Any]], stack: AsyncExitStack, seconds: float
) -> dict[str, Tool]:
    """The tools of all servers that answer; one that doesn't is told and left out."""
    found: dict[str, Tool] = {}
    for server in servers:
        name = str(server.get("name"))
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                client = await stack.enter_async_context(_client(server))
                tools = (await client.list_tools()).tools[:MAX_TOOLS]
        except Exception as error:  # foreign programs fail in every way there is
            tell("warning", f"MCP server `{name}` can't be used: {_words(error)}")
            continue
        for tool in tools:
            shape = _shape(name, tool)
            found[shape.name] = Tool(shape, _Use(client, tool.name, seconds))
    return found


class _Use:
    def __init__(self, client: Client, name: str, seconds: float) -> None:
        self._client, self._name, self._seconds = client, name, seconds

    async def __call__(self, arguments: Mapping[str, Any]) -> str:
        try:
            result = await self._client.call_tool(
                self._name, dict(arguments), read_timeout_seconds=self._seconds
            )
        except Exception as error:  # foreign programs fail in every way there is
            raise ToolError(f"`{self._name}` failed: {_words(error)}") from error
        text = "\n".join(getattr(part, "text", f"[{part.type}]") for part in result.content)
        if result.is_error:
            raise ToolError(text or f"`{self._name}` failed")
        return text[:MAX_TEXT] or "[no output]"


def _client(server: Mapping[str, Any]) -> Client:
    from mcp import Client, StdioServerParameters

    if url := server.get("url"):
        return Client(_over_http(str(url), dict(server.get("headers") or {})))
    command, *args = server["command"]
    # Its processes are found by these when the run is ended.
    tags = {name: value for name, value in os.environ.items() if name.startswith("ABATHUR_")}
    path = {"PATH": os.environ.get("PATH", os.defpath)}
    env = {**path, **tags, **(server.get("env") or {})}
    return Client(StdioServerParameters(command=command, args=args, env=env))


def _over_http(url: str, headers: dict[str, str]) -> Any:
    from mcp.client.streamable_http import streamable_http_client
    from mcp.shared._httpx_utils import create_mcp_http_client

    return streamable_http_client(url, http_client=create_mcp_http_client(headers=headers))


def _shape(server: str, tool: Any) -> ToolShape:
    name = _UNUSABLE.sub("_", f"mcp__{server}__{tool.name}")[:_MAX_NAME]
    return ToolShape(name, tool.description or tool.name, tool.input_schema)


def _words(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return " ".join(str(error).split()) or type(error).__name__
