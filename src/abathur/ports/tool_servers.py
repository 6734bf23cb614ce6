"""The servers of tools that agents are handed: ours, and those that the project names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from abathur.domain.delegation import RunKey
from abathur.domain.runs import Command, McpServer


class ToolServers(Protocol):
    def command(self, port: int) -> Command | None:
        """The program of our own server over HTTP; None when what it needs isn't installed.

        It tells its address as its first line on stdout, and ends with its stdin. `port` 0 is any.
        """
        ...

    def token(self, run: RunKey) -> str:
        """By which our server knows the run. Raises `OSError`, `RefusedError`."""
        ...

    def own(self, run: RunKey, part: str | None) -> McpServer:
        """A server of its own for a run, where none can be shared."""
        ...

    def foreign(self) -> Mapping[str, McpServer]:
        """Those that `.mcp.json` names, by name. Raises `ConfigError`."""
        ...

    def described(self, name: str, entry: object, where: str) -> McpServer:
        """A server as a section describes it. Raises `ConfigError`."""
        ...

    def kept(self, server: McpServer) -> McpServer:
        """The same, started again when it ends; one over HTTP is its owner's to start."""
        ...

    async def answers(self, url: str) -> bool: ...
