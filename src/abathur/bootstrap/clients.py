"""Servers and clients of a project as a person sees them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from abathur.bootstrap import Project
    from abathur.domain.runs import McpServer
    from abathur.ports.clients import Edit


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """A server that runs here, or that the project names."""

    name: str
    kind: str
    """`http` or `stdio`."""
    address: str
    """A URL, or the program with its arguments."""
    source: str
    """Where it was found: `running`, or `.mcp.json`."""
    pid: int | None = None
    started_at: str | None = None
    worker: str | None = None
    state: str | None = None
    """`answers`, `silent`, `found` (a program that isn't started without trust), `missing`.

    None: not asked.
    """
    milliseconds: float | None = None


def edit_for(project_root: Path, client: str, only: str | None) -> Edit:
    """Raises `ConfigError`, `InvalidInputError`."""
    from abathur.infrastructure.client_files import edit

    return edit(client, project_root, only)


def save_edit(change: Edit) -> None:
    """Raises `OSError`."""
    from abathur.infrastructure.client_files import save

    save(change)


def servers(project: Project) -> Sequence[ServerFacts]:
    """Those that run on this host, then those of `.mcp.json`. Raises `ConfigError`."""
    from abathur.infrastructure import hosts, process_times, server_files
    from abathur.infrastructure.agent_servers import AgentServers

    here = [
        ServerFacts(
            name="abathur",
            kind="http",
            address=running.url,
            source="running",
            pid=running.pid,
            started_at=running.started_at,
            worker=running.worker,
        )
        for _, running in server_files.announced(project.folder)
        if running.host == hosts.host_name()
        and process_times.lives(running.pid, running.pid_started_at)
    ]
    named = AgentServers(project.root, project.database).foreign()
    return [*here, *(_named(name, server) for name, server in named.items())]


def _named(name: str, server: McpServer) -> ServerFacts:
    """Without arguments and headers' values, which may be secret."""
    kind = "stdio" if server.url is None else "http"
    address = server.url or server.command[0]
    return ServerFacts(name=name, kind=kind, address=address, source=".mcp.json")


async def checked(project: Project) -> Sequence[ServerFacts]:
    """The same, each with how it is. Raises `ConfigError`."""
    from abathur.bootstrap.server_checks import program_state
    from abathur.infrastructure.agent_servers import AgentServers

    known = AgentServers(project.root, project.database)
    named = known.foreign()

    async def check(one: ServerFacts) -> ServerFacts:
        began = time.perf_counter()
        if one.kind == "stdio":
            state = await program_state(project.root, named[one.name])
        else:
            state = "answers" if await known.answers(one.address) else "silent"
        took = round((time.perf_counter() - began) * 1000, 1)
        was_asked = state in {"answers", "silent"}
        return replace(one, state=state, milliseconds=took if was_asked else None)

    return await asyncio.gather(*(check(one) for one in servers(project)))


def log_lines(project: Project, count: int) -> Sequence[str]:
    """The last lines of the servers' log, oldest first; none when there is no log yet."""
    file = project.folder / "logs" / "mcp.log"
    try:
        with file.open("rb") as stream:
            stream.seek(0, 2)
            stream.seek(max(0, stream.tell() - 400 * count))
            data = stream.read()
    except FileNotFoundError:
        return []
    return data.decode(errors="replace").splitlines()[-count:]
