"""Servers of tools for agents: the program of ours, and what `.mcp.json` says about others."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import sys
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from abathur.domain.delegation import Caller, RunKey
from abathur.domain.errors import ConfigError
from abathur.domain.runs import Command, McpServer
from abathur.domain.tokens import issued
from abathur.infrastructure.server_files import read_key

FILE: Final = ".mcp.json"
TOKEN: Final = "ABATHUR_MCP_TOKEN"
DATABASE: Final = "ABATHUR_DB"
HEALTH_SECONDS: Final = 3.0
_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


@dataclass(frozen=True, slots=True)
class AgentServers:
    """Meets `ports.tool_servers.ToolServers`, for one project."""

    root: Path
    database: Path | str

    @property
    def _program(self) -> tuple[str, ...]:
        return (*_python("abathur"), "--project", str(self.root), "mcp", "serve")

    def command(self, port: int) -> Command | None:
        if find_spec("mcp") is None or find_spec("uvicorn") is None:
            return None
        return Command(
            argv=(*self._program, "--http", f"127.0.0.1:{port}"),
            # The URL of a database may hold a password, so it is no argument.
            env={DATABASE: str(self.database)},
            pass_env=("PYTHONPATH", "ABATHUR_TRUST"),
        )

    def token(self, run: RunKey) -> str:
        return issued(read_key(self.root / ".abathur"), Caller(name="", run=run))

    def own(self, run: RunKey, part: str | None) -> McpServer:
        only = ("--only", part) if part else ()
        return McpServer(
            name="abathur",
            command=(*self._program, *only),
            env={TOKEN: self.token(run), DATABASE: str(self.database)},
        )

    def foreign(self) -> Mapping[str, McpServer]:
        file = self.root / FILE
        try:
            content = json.loads(file.read_text(encoding="utf-8-sig"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"{file}: it can't be read: {' '.join(str(error).split())}"
            ) from error
        servers = content.get("mcpServers") if isinstance(content, Mapping) else None
        if not isinstance(servers, Mapping):
            raise ConfigError(f"{file}: a section `mcpServers` is expected")
        return {
            name: self.described(name, entry, f"{file}: mcpServers.{name}")
            for name, entry in servers.items()
        }

    def described(self, name: str, entry: object, where: str) -> McpServer:
        if not isinstance(entry, Mapping):
            raise ConfigError(f"{where}: a section with `command` or `url` is expected")
        url = entry.get("url")
        address = _expanded(url) if isinstance(url, str) else ""
        if address.startswith(("http://", "https://")):
            return McpServer(name=name, url=address, headers=_texts(entry, "headers", where))
        command, args = entry.get("command"), entry.get("args") or []
        are_texts = isinstance(args, list) and all(isinstance(one, str) for one in args)
        if not isinstance(command, str) or not command.strip() or not are_texts:
            raise ConfigError(
                f"{where}: a `command` with a list of `args`, or a `url`, is expected"
            )
        argv = tuple(_expanded(one) for one in (command, *args))
        return McpServer(name=name, command=argv, env=_texts(entry, "env", where))

    def kept(self, server: McpServer) -> McpServer:
        if server.url is not None:
            return server
        return replace(server, command=(*_python("abathur.mcp.reviving"), *server.command))

    async def answers(self, url: str) -> bool:
        return await asyncio.to_thread(_answers, url)


def _python(module: str) -> tuple[str, ...]:
    """A module of ours, started in the folder of an agent: nothing is imported from there."""
    return (sys.executable, "-P", "-m", module)


def _texts(entry: Mapping[str, Any], key: str, where: str) -> dict[str, str]:
    given = entry.get(key) or {}
    if not isinstance(given, Mapping):
        raise ConfigError(f"{where}: {key}: a section of texts is expected")
    return {str(name): _expanded(str(value)) for name, value in given.items()}


def _expanded(text: str) -> str:
    """`${NAME}` and `${NAME:-otherwise}` by our environment, as other clients do it."""
    return _VARIABLE.sub(lambda found: os.environ.get(found[1], found[2] or ""), text)


def _answers(url: str) -> bool:
    parts = urllib.parse.urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=HEALTH_SECONDS)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException, ValueError):
        return False
    finally:
        connection.close()
