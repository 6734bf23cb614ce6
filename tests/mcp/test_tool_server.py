"""The server that a supervisor's agents share: started when asked for, and started again."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx2
import psutil
import pytest

from abathur.bootstrap import Project
from abathur.bootstrap.supervision import build_supervisor
from abathur.domain.agents import AgentSpec
from abathur.domain.errors import ConfigError
from abathur.infrastructure.database import Database
from abathur.services.running import Holder
from abathur.swarm.parts import Parts
from abathur.swarm.silence import Silence
from abathur.swarm.state import Run, State
from abathur.swarm.tool_server import ToolServer
from tests.mcp.conftest import Site

SPEC = AgentSpec(agent_type="planner", runtime="fake", settings={"mcp_servers": ["abathur"]})


async def parts_of(project: Project, db: Database) -> Parts:
    taken: list[Parts] = []

    def take(parts: Parts) -> Parts:
        taken.append(parts)
        return parts

    await build_supervisor(project, db, lambda _: None, into=take)
    return taken[0]


async def made(site: Site) -> tuple[ToolServer, Run]:
    caller, task = await site.run()
    assert caller.run is not None
    parts = await parts_of(site.host.project, site.db)
    attempt = await site.db.read(lambda stores: stores.attempts.get(task.id, 1))
    assert attempt is not None
    state = State(
        worker_id=parts.worker_id,
        lease=timedelta(seconds=60),
        sink=lambda _: None,
        now=parts.clock.now,
        silence=Silence(60),
    )
    holder = Holder(task.id, 1, caller.run.fence, "w1")
    return ToolServer(parts, state), Run(task, attempt, holder)


async def test_a_server_that_was_killed_is_there_again_at_the_same_address(site: Site) -> None:
    server, run = await made(site)
    try:
        (first,) = await server.entries(run, SPEC)
        assert first.url is not None
        (file,) = (site.host.project.folder / "mcp").glob("server-*.json")
        psutil.Process(int(file.stem.removeprefix("server-"))).kill()
        (second,) = await server.entries(run, SPEC)
        assert second.url == first.url
        async with httpx2.AsyncClient(headers=dict(second.headers)) as http:
            body = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
            accept = {"Accept": "application/json, text/event-stream"}
            answer = await http.post(second.url, json=body, headers=accept)
        assert answer.status_code != 401
    finally:
        await server.close()


async def test_many_runs_that_ask_at_once_share_one_server(site: Site) -> None:
    server, run = await made(site)
    try:
        found = await asyncio.gather(*(server.entries(run, SPEC) for _ in range(5)))
        assert len({entries[0].url for entries in found}) == 1
    finally:
        await server.close()


@pytest.mark.parametrize(
    "described",
    [{"command": 5}, {"args": ["x"]}, {"command": "x", "args": "y"}, {"url": "file:///etc"}, "x"],
)
async def test_a_description_that_makes_no_sense_is_refused(site: Site, described: Any) -> None:
    server, run = await made(site)
    spec = replace(SPEC, settings={"mcp_servers": {"odd": described}})
    with pytest.raises(ConfigError, match="mcp_servers: odd"):
        await server.entries(run, spec)
