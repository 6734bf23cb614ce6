"""The protocol's published conformance suite, and its inspector, against the servers."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from abathur.bootstrap import Project
from abathur.bootstrap.serving import key_of
from abathur.domain.tokens import issued
from abathur.mcp.doors import Gate, make_app
from abathur.mcp.server import Desk
from tests.mcp.conftest import PERSON, Site
from tests.programs import needs, program

EXPECTED = Path(__file__).with_name("expected-failures.yaml")
"""In the suite's own format, with the reason for each."""
LONGEST_SECONDS = 60


async def run(*command: str | Path, cwd: Path) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), LONGEST_SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


def node() -> Path:
    found = program("node")
    assert found is not None
    return found


def with_token(app: ASGIApp, token: str) -> ASGIApp:
    """As a client with a token would call: the suite can't be given one."""
    bearer = (b"authorization", f"Bearer {token}".encode())

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope = {**scope, "headers": [*scope["headers"], bearer]}
        await app(scope, receive, send)

    return call


@pytest.fixture
async def address(site: Site) -> AsyncIterator[str]:
    """Of the servers over HTTP, whose callers are a person's program."""
    key = key_of(site.host.project)
    gate = Gate(key)
    desk = Desk(host=site.host, caller_of=gate.caller_of, log=site.log.append)
    app = with_token(make_app(desk, gate, only=None, names=()), issued(key, PERSON))
    config = uvicorn.Config(app, port=0, log_config=None, ws="none", timeout_graceful_shutdown=1)
    started = asyncio.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            started.set()

    server = Server(config)
    serving = asyncio.create_task(server._serve())  # without its signal handlers
    await started.wait()
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}/mcp"
    server.should_exit = True
    await serving


@needs("node")
@needs("conformance")
@pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])
async def test_the_published_suite_finds_missing_what_is_known_and_nothing_else(
    address: str, revision: str, tmp_path: Path
) -> None:
    suite = program("conformance")
    assert suite is not None
    options = ("--url", address, "--requirements", revision, "--expected-failures", EXPECTED)
    code, out, err = await run(node(), suite, "server", *options, cwd=tmp_path)
    assert code == 0, out[-4000:] + err
    assert "tools-list: " in out


@needs("node")
@needs("inspector")
async def test_the_inspector_lists_and_calls_tools_over_stdio(project: Project) -> None:
    inspector = program("inspector")
    assert inspector is not None
    server = (sys.executable, "-m", "abathur", "mcp", "serve", "--only", "tasks")

    async def ask(*options: str) -> Any:
        code, out, err = await run(node(), inspector, "--cli", *server, *options, cwd=project.root)
        assert code == 0, err
        return json.loads(out)

    listed, called = await asyncio.gather(
        ask("--method", "tools/list"),
        ask(
            *("--method", "tools/call", "--tool-name", "task_enqueue"),
            *("--tool-arg", "description=Do it", "source=human"),
        ),
    )
    assert {"task_enqueue", "task_why"} <= {tool["name"] for tool in listed["tools"]}
    assert called["structuredContent"]["status"] == "ready"
