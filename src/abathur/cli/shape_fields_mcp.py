"""The fields of what the commands about servers print; see `shape_fields`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from abathur.cli.shape_fields_database import Fields

MCP_TOKEN: Final[Fields] = {
    "token": ("string", "to be sent as `Authorization: Bearer TOKEN`; a secret"),
}

MCP_SERVER: Final[Fields] = {
    "name": ("string", "what it is called"),
    "kind": ("string", "`http` or `stdio`"),
    "address": ("string", "a URL, or the program that clients start"),
    "source": ("string", "`running`, or the file that names it"),
    "pid": ("integer?", "of a running one"),
    "started_at": ("string?", "when it was started: ISO 8601"),
    "worker": ("string?", "the supervisor that it serves; null when a person started it"),
    "state": ("string?", "`answers`, `silent`, `found` (not trusted), `missing`; null: not asked"),
    "milliseconds": ("number?", "how long the answer took"),
}

MCP_INSTALLATION: Final[Fields] = {
    "client": ("string", "whose configuration it is"),
    "file": ("string", "its path"),
    "changed": ("boolean", "false when it named the server already"),
    "written": ("boolean", "whether the change was written"),
    "diff": ("string", "the change"),
}

MCP_LOG_LINE: Final[Fields] = {
    "line": ("string", "time, level, tool, caller, outcome, milliseconds"),
}

SHAPES: Final[Mapping[str, Fields]] = {
    "McpToken": MCP_TOKEN,
    "McpServer": MCP_SERVER,
    "McpInstallation": MCP_INSTALLATION,
    "McpLogLine": MCP_LOG_LINE,
}

COMMAND_SHAPES: Final[Mapping[str, str]] = {
    "mcp token": "McpToken",
    "mcp install": "McpInstallation",
    "mcp list": "McpServer[]",
    "mcp status": "McpServer[]",
    "mcp logs": "McpLogLine[]",
}
