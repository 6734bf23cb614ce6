"""Serving over HTTP: tokens, origins, hosts, and the bridge for clients that only speak stdio."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp_types import ResourceUpdatedNotification

from abathur.bootstrap import Project
from abathur.bootstrap.serving import key_of
from abathur.domain.delegation import Caller, RunKey
from abathur.domain.tokens import issued

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "t", "version": "1"},
    },
}
ACCEPT = {"Accept": "application/json, text/event-stream"}


def over_http(root: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "abathur", "mcp", "serve", "--http", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, str]]:
    """A project and the address of its server, a process of its own."""
    from abathur.bootstrap import load_project, make_project_files

    root = tmp_path_factory.mktemp("served")
    (root / "README.md").write_text("# A project\n")
    for args in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "Start"]):
        subprocess.run(["git", *args], cwd=root, check=True)
    make_project_files(root, "main")
    with over_http(root) as process:
        assert process.stdout is not None
        yield load_project(root), process.stdout.readline().strip()
        process.terminate()
        assert process.wait(30) == 0
    assert not list((root / ".abathur" / "mcp").glob("server-*"))


ADA = Caller(name="ada")


def token(project: Project, caller: Caller = ADA) -> str:
    return issued(key_of(project), caller)


@asynccontextmanager
async def connected(project: Project, url: str, mode: Any = "auto") -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {token(project)}"}
    async with (
        httpx2.AsyncClient(headers=headers) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        yield client


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_client_with_a_token_works_in_both_eras(
    served: tuple[Project, str], mode: str
) -> None:
    project, url = served
    async with connected(project, url, mode) as client:
        done = await client.call_tool("task_enqueue", {"description": "Do it"})
        found = await client.call_tool("task_get", {"task_id": done.structured_content["task_id"]})
    assert found.structured_content["created_by"] == "mcp:ada"


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_who_waits_over_http_is_told_of_progress_meanwhile(
    served: tuple[Project, str], mode: str
) -> None:
    project, url = served
    told = asyncio.Event()

    async def progress(progress: float, total: float | None, message: str | None) -> None:
        told.set()

    async with connected(project, url, mode) as client:
        done = await client.call_tool("task_enqueue", {"description": "Do it"})
        args = {"task_ids": [done.structured_content["task_id"]], "timeout_seconds": 60}
        waiting = asyncio.create_task(
            client.call_tool("task_wait", args, progress_callback=progress)
        )
        await told.wait()
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            await waiting


async def test_each_part_is_served_under_its_older_name(served: tuple[Project, str]) -> None:
    project, url = served
    async with connected(project, f"{url}/tasks") as client:
        assert client.server_info is not None
        assert client.server_info.name == "abathur-task-queue"
        assert "task_enqueue" in {tool.name for tool in (await client.list_tools()).tools}


async def test_nobody_without_a_token_of_this_project_is_let_in(
    served: tuple[Project, str],
) -> None:
    _, url = served
    forged = issued(b"x" * 32, Caller(name="ada"))
    async with httpx2.AsyncClient() as http:
        for authorization in (None, "Bearer nonsense", f"Bearer {forged}", "Basic YTpi"):
            headers = (
                ACCEPT if authorization is None else {**ACCEPT, "Authorization": authorization}
            )
            answer = await http.post(url, json=INITIALIZE, headers=headers)
            assert answer.status_code == 401, authorization


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("Origin", "https://evil.example", 403),
        ("Host", "evil.example", 421),
        ("Origin", "http://localhost:3000", 200),
    ],
)
async def test_web_pages_of_others_are_refused(
    served: tuple[Project, str], name: str, value: str, status: int
) -> None:
    project, url = served
    headers = {**ACCEPT, "Authorization": f"Bearer {token(project)}", name: value}
    async with httpx2.AsyncClient() as http:
        answer = await http.post(url, json=INITIALIZE, headers=headers)
    assert answer.status_code == status


async def test_a_body_without_end_is_refused_before_it_is_read(
    served: tuple[Project, str],
) -> None:
    project, url = served
    headers = {**ACCEPT, "Authorization": f"Bearer {token(project)}"}
    async with httpx2.AsyncClient() as http:
        answer = await http.post(
            url, content=b" " * 3_000_000, headers={**headers, "Content-Type": "application/json"}
        )
    assert answer.status_code == 413


async def test_the_token_of_a_run_that_is_over_does_nothing(served: tuple[Project, str]) -> None:
    project, url = served
    run = Caller(name="", run=RunKey("01234567-89ab-7def-8123-456789abcdef", 1, 1))
    headers = {"Authorization": f"Bearer {token(project, run)}"}
    async with (
        httpx2.AsyncClient(headers=headers) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        result = await client.call_tool("task_list", {})
    assert result.is_error
    assert "is over" in str(result.content)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_the_bridge_passes_a_client_on_to_the_server_that_runs(
    served: tuple[Project, str], mode: Any
) -> None:
    project, _ = served
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "LOGNAME": "bea"}
    args = ["-m", "abathur.mcp.bridge", "--only", "tasks"]
    started = StdioServerParameters(command=sys.executable, args=args, cwd=project.root, env=env)
    async with Client(started, mode=mode) as client:
        assert client.server_info is not None
        assert client.server_info.name == "abathur-task-queue"
        done = await client.call_tool("task_enqueue", {"description": "Größe 日本 \u2028"})
        found = await client.call_tool("task_get", {"task_id": done.structured_content["task_id"]})
        many = await asyncio.gather(*(client.call_tool("task_list", {}) for _ in range(20)))
    assert found.structured_content["created_by"] == "mcp:bea"
    assert found.structured_content["prompt"] == "Größe 日本 \u2028"
    assert not any(one.is_error for one in many)


@pytest.mark.filterwarnings("ignore:resources/.*subscribe is removed")
async def test_the_bridge_starts_a_server_when_the_one_that_it_used_is_gone(
    project: Project,
) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def hear(message: Any) -> None:
        if isinstance(message, ResourceUpdatedNotification):
            heard.put_nowait(message.params.uri)

    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    args = ["-m", "abathur", "mcp", "serve"]
    started = StdioServerParameters(command=sys.executable, args=args, cwd=project.root, env=env)
    folder = project.folder / "mcp"
    with over_http(project.root) as first:
        assert first.stdout is not None
        first.stdout.readline()
        async with Client(started, mode="legacy", message_handler=hear) as client:
            await client.subscribe_resource("abathur://queue")
            first.kill()
            first.wait()
            told = None
            while told is None:  # its stream may not be open again at the first commit
                await client.call_tool("task_enqueue", {"description": "Do it"})
                with suppress(TimeoutError):
                    told = await asyncio.wait_for(heard.get(), 1)
            (own,) = {*folder.glob("server-*.json")} - {folder / f"server-{first.pid}.json"}
    assert not own.exists()


async def test_without_a_server_the_bridge_becomes_one(project: Project) -> None:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    started = StdioServerParameters(
        command=sys.executable, args=["-m", "abathur.mcp.bridge"], cwd=project.root, env=env
    )
    async with Client(started) as client:
        result = await client.call_tool("task_queue_status", {})
    assert result.structured_content["total_tasks"] == 0


def test_the_bridge_needs_the_standard_library_alone(tmp_path: Path) -> None:
    code = (
        "import sys, json, abathur.mcp.bridge, abathur.domain.tokens;"
        "print(json.dumps(sorted({m.partition('.')[0] for m in sys.modules})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    loaded = set(json.loads(done.stdout))
    assert loaded - sys.stdlib_module_names - {"abathur", "__main__"} <= before()


def before() -> set[str]:
    """What the interpreter loads by itself, like the hooks of editable installs."""
    code = "import sys, json; print(json.dumps([m.partition('.')[0] for m in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))
