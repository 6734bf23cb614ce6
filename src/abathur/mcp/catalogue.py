"""Which tools there are, and which server offers which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from abathur.domain.delegation import Caller
from abathur.mcp import (
    branch_tools,
    document_tools,
    enqueueing,
    memory_tools,
    question_tools,
    queue_tools,
    run_tools,
    session_tools,
)
from abathur.mcp.tool import Tool

TASKS: Final = "tasks"
MEMORY: Final = "memory"
NAMES: Final[Mapping[str | None, str]] = {
    TASKS: "abathur-task-queue",
    MEMORY: "abathur-memory",
    None: "abathur",
}
"""What a server is called that offers a part, or everything."""

PARTS: Final[Mapping[str, Sequence[Tool]]] = {
    TASKS: (
        *enqueueing.TOOLS,
        *queue_tools.TOOLS,
        *branch_tools.TOOLS,
        *run_tools.TOOLS,
        *question_tools.TOOLS,
    ),
    MEMORY: (*memory_tools.TOOLS, *session_tools.TOOLS, *document_tools.TOOLS),
}


def tools_of(only: str | None) -> Mapping[str, Tool]:
    """By name; those of one part, or all."""
    parts = PARTS if only is None else {only: PARTS[only]}
    return {tool.name: tool for tools in parts.values() for tool in tools}


def is_for(tool: Tool, caller: Caller) -> bool:
    return tool.for_runs is None or tool.for_runs is (caller.run is not None)
