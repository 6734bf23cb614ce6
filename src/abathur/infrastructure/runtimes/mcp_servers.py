"""The servers that a run is given, in the form that most agent programs read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from abathur.domain.runs import McpServer


def as_json(servers: Sequence[McpServer]) -> str:
    """A document with the key `mcpServers`, empty without servers. Holds secrets: for a file."""
    entries = {server.name: _entry(server) for server in servers}
    return json.dumps({"mcpServers": entries}, ensure_ascii=False) if entries else ""


def _entry(server: McpServer) -> dict[str, Any]:
    if server.url is not None:
        return {"type": "http", "url": server.url, "headers": dict(server.headers)}
    command, *args = server.command or ("",)
    return {"type": "stdio", "command": command, "args": args, "env": dict(server.env)}
