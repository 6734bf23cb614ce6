"""A project with servers in this process, and clients of the official SDK."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mcp", reason="the extra `mcp` isn't installed")

from mcp import Client

from abathur.bootstrap import Project, load_project, make_project_files
from abathur.domain.agents import Worker
from abathur.domain.delegation import Caller, RunKey
from abathur.domain.settings import McpSettings
from abathur.domain.tasks import Task
from abathur.infrastructure.database import Database
from abathur.mcp.server import Desk, make_server
from abathur.mcp.serving import host_of
from abathur.mcp.tool import Host
from abathur.services import claiming

PERSON = Caller(name="ada")
LEASE = timedelta(minutes=10)


class Refused(Exception):
    """An answer that is an error: its kind and message."""


@dataclass
class Site:
    """Everything that a server is made of, and whoever calls."""

    host: Host
    db: Database
    log: list[str]

    @asynccontextmanager
    async def client(
        self,
        caller: Caller = PERSON,
        only: str | None = None,
        mode: str = "legacy",
        message_handler: Any = None,
    ) -> AsyncIterator[Client]:
        desk = Desk(host=self.host, caller_of=lambda _: caller, log=self.log.append)
        server = make_server(desk, only)
        async with Client(server, mode=mode, message_handler=message_handler) as client:
            yield client

    async def call(self, tool: str, caller: Caller = PERSON, **args: Any) -> Any:
        """What the tool's text says, as JSON. Raises `Refused`."""
        async with self.client(caller) as client:
            result = await client.call_tool(tool, args)
        (content,) = result.content
        assert content.type == "text"
        found = json.loads(content.text)
        if result.is_error:
            raise Refused(f"{found['error']}: {found['message']}")
        return found

    async def add(self, description: str = "Do it", **args: Any) -> str:
        """By a person; the task's id."""
        done = await self.call("task_enqueue", description=description, source="human", **args)
        return str(done["task_id"])

    async def run(self, **args: Any) -> tuple[Caller, Task]:
        """A run that is going on of a new task."""
        await self.add(base_priority=10, **args)
        (claim,) = await self.db.write(
            claiming.claim, worker_id="w1", limit=1, now=self.host.now(), lease=LEASE
        )
        key = RunKey(claim.task.id, claim.attempt.number, claim.attempt.fence)
        return Caller(name="", run=key), claim.task

    def limited(self, **limits: Any) -> "Site":
        settings = replace(self.host.project.settings, mcp=McpSettings(**limits))
        project = replace(self.host.project, settings=settings)
        return replace(self, host=replace(self.host, project=project))


@pytest.fixture
def project(git_repo: Path) -> Project:
    make_project_files(git_repo, "main")
    return load_project(git_repo)


@pytest.fixture
async def site(project: Project, new_file: Callable[[Path], Path]) -> AsyncIterator[Site]:
    async with Database(new_file(project.file)) as db:
        now = db.clock().now()
        worker = Worker(
            id="w1",
            host="here",
            pid=1,
            pid_started_at=1.5,
            repository="/repo",
            max_agents=4,
            started_at=now,
            heartbeat_at=now,
            lease_until=now,
        )
        await db.write(lambda stores: stores.workers.insert(worker))
        yield Site(host_of(project, db), db, [])
