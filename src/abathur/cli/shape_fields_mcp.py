"""The fields of what the commands about servers print; see `shape_fields`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from abathur.cli.shape_fields_database import Fields

MCP_TOKEN: Final[Fields] = {
    "token": ("string", "to be sent as `Authorization: Bearer TOKEN`; a secret"),
}

SHAPES: Final[Mapping[str, Fields]] = {"McpToken": MCP_TOKEN}

COMMAND_SHAPES: Final[Mapping[str, str]] = {"mcp token": "McpToken"}
