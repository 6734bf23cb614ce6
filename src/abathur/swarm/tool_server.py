"""Hands each run the servers of tools that its agent type asks for.

Ours is one process for all agents of a supervisor. It is started for the first run that asks for
it, at the same port again when it has ended, and ended with the supervisor.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from abathur.domain.agents import AgentSpec
from abathur.domain.delegation import RunKey
from abathur.domain.errors import ConfigError, ProcessError
from abathur.domain.runs import McpServer
from abathur.domain.settings import McpSettings
from abathur.ports.processes import Launch
from abathur.ports.tool_servers import ToolServers
from abathur.swarm.parts import RUN_TAG, WORKER_TAG, Parts
from abathur.swarm.state import Run, State

OURS: Final[Mapping[str, str | None]] = {
    "abathur": None,
    "abathur-task-queue": "tasks",
    "abathur-memory": "memory",
}
"""Names of our servers -> the part that they offer, or everything."""
START_SECONDS: Final = 30.0
FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 30.0
FOR_EVER: Final = 10 * 366 * 86_400.0


class ToolServer:
    """Of one supervisor."""

    def __init__(self, parts: Parts, state: State) -> None:
        self._parts, self._state = parts, state
        self._servers: ToolServers = parts.tool_servers
        self._keeping: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._url = ""
        self._again = asyncio.Event()
        """Set to have a server ended that doesn't answer any more."""

    async def entries(self, run: Run, spec: AgentSpec) -> tuple[McpServer, ...]:
        """Those that the run is to be given. Raises `ConfigError`, `ProcessError`, `OSError`."""
        wanted = self._wanted(spec, self._parts.settings.mcp)
        attempt = run.attempt
        key = RunKey(run.task.id, attempt.number, run.holder.fence)
        return tuple([await self._entry(name, entry, key) for name, entry in wanted.items()])

    def _wanted(self, spec: AgentSpec, settings: McpSettings) -> Mapping[str, object]:
        """Name -> how it is described; None when that stands elsewhere."""
        asked = spec.settings.get("mcp_servers")
        if asked is None:
            return dict.fromkeys(settings.servers)
        if isinstance(asked, Mapping):
            return asked
        names: dict[str, object] = {}
        for one in asked if isinstance(asked, Sequence) and not isinstance(asked, str) else [asked]:
            names.update(one if isinstance(one, Mapping) else {str(one): None})
        return names

    async def _entry(self, name: str, described: object, key: RunKey) -> McpServer:
        if name in OURS:
            return await self._our(name, OURS[name], key)
        if described is not None:
            own = self._servers.described(name, described, f"mcp_servers: {name}")
            return self._servers.kept(own)
        found = self._servers.foreign().get(name)
        if found is None:
            raise ConfigError(
                f"mcp_servers: no server `{name}` is described in .mcp.json; describe it there, or"
                " take it out of the agent's definition"
            )
        return self._servers.kept(found)

    async def _our(self, name: str, part: str | None, key: RunKey) -> McpServer:
        if self._servers.command(0) is None:
            raise ConfigError(
                f"mcp_servers: `{name}` needs the extra `mcp`; install it with"
                " `pip install 'abathur[mcp]'`"
            )
        try:
            url = await self._running()
        except TimeoutError:
            self._state.warn(f"the server of tools didn't start in {START_SECONDS:g} s")
            return replace(self._servers.own(key, part), name=name)
        token = self._servers.token(key)
        address = f"{url}/{part}" if part else url
        return McpServer(name=name, url=address, headers={"Authorization": f"Bearer {token}"})

    async def _running(self) -> str:
        """The address of a server that answers. Raises `TimeoutError`."""
        if self._keeping is None:
            self._keeping = asyncio.create_task(self._keep())
        async with asyncio.timeout(START_SECONDS):
            while True:
                await self._ready.wait()
                if await self._servers.answers(self._url):
                    return self._url
                self._ready.clear()
                self._again.set()

    async def close(self) -> None:
        """End it. Safe to call when it was never started."""
        if self._keeping is not None:
            self._keeping.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeping
            self._keeping = None

    async def _keep(self) -> None:
        pause, port = FIRST_PAUSE, 0
        self._log.parent.mkdir(parents=True, exist_ok=True)
        while True:
            self._again.clear()
            try:
                end = await self._parts.processes.run(
                    self._launch(port),
                    on_started=lambda _: None,
                    on_line=self._heard,
                    stop=self._again,
                )
                why = end.stderr_tail.strip().splitlines()[-1:] or [f"code {end.code}"]
            except (ProcessError, OSError) as error:
                why = [str(error)]
            if self._ready.is_set():
                pause = FIRST_PAUSE
            self._ready.clear()
            port = int(self._url.partition("//")[2].partition("/")[0].rpartition(":")[2] or 0)
            self._state.warn(f"the server of tools ended ({why[0]}) and is started again")
            await self._parts.clock.sleep(pause)
            pause = min(LONGEST_PAUSE, 2 * pause)

    @property
    def _log(self) -> Path:
        return self._parts.folder / "logs" / "mcp-server.log"

    def _heard(self, line: str) -> None:
        if line.startswith("http://"):
            self._url = line.strip()
            self._ready.set()

    def _launch(self, port: int) -> Launch:
        command = self._servers.command(port)
        assert command is not None
        return Launch(
            command=command,
            cwd=self._parts.folder.parent,
            transcript=self._log,
            # Of its own run: with the worker's alone, its end would be that of all its agents.
            tags={WORKER_TAG: self._state.worker_id, RUN_TAG: "tools"},
            env={},
            timeout_seconds=FOR_EVER,
            grace_seconds=self._parts.grace_seconds,
        )
