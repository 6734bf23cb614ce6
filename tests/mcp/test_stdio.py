"""Servers as processes: what a client starts, and what it reads from their stdout."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from mcp import Client, StdioServerParameters

from abathur.bootstrap import Project

WAYS = (
    ("legacy", ["-m", "abathur", "mcp", "serve"]),
    ("auto", ["-m", "abathur.mcp.task_queue_server", "--db-path", ".abathur/abathur.db"]),
)


@pytest.mark.parametrize(("mode", "args"), WAYS)
async def test_a_client_of_either_era_starts_a_server_and_works_with_it(
    project: Project, mode: str, args: list[str]
) -> None:
    started = StdioServerParameters(command=sys.executable, args=args, cwd=project.root, env=env())
    async with Client(started, mode=mode) as client:
        assert client.protocol_version == {"legacy": "2025-11-25", "auto": "2026-07-28"}[mode]
        done = await client.call_tool("task_enqueue", {"description": "Do it"})
        listed = await client.call_tool("task_list", {})
    assert done.structured_content["task_id"] in str(listed.structured_content)


def test_nothing_but_the_protocol_is_on_stdout(project: Project) -> None:
    lines = [
        '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18",'
        '"capabilities":{},"clientInfo":{"name":"t","version":"1"}}}',
        "this is no JSON",
        '{"jsonrpc":"2.0","method":"notifications/initialized"}',
        '{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"nope","arguments":{}}}',
        '{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"task_list"}}',
    ]
    with subprocess.Popen(
        [sys.executable, "-m", "abathur", "mcp", "serve"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=project.root,
        env=env(),
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("\n".join(lines) + "\n")
        process.stdin.flush()
        said: list[dict[str, Any]] = []
        while not said or said[-1].get("id") != 3:
            said.append(json.loads(process.stdout.readline()))
        process.stdin.close()
        assert process.stdout.read() == ""
        assert process.wait(30) == 0
    assert all(one["jsonrpc"] == "2.0" for one in said)
    by_id = {one.get("id"): one for one in said}
    assert by_id[1]["result"]["protocolVersion"] == "2025-06-18"
    assert by_id[2]["error"]["message"] == "Unknown tool: nope"
    assert by_id[3]["result"]["structuredContent"] == {"tasks": []}


def test_an_agent_cannot_start_a_server_as_if_it_were_a_person(project: Project) -> None:
    done = serve(project, "", ABATHUR_TASK_ID="1")
    assert done.returncode == 4
    assert "an agent can't start a server of its own" in done.stderr
    done = serve(project, "", ABATHUR_MCP_TOKEN="abathur_mcp.1.1.1.0")
    assert done.returncode == 4
    assert "isn't one of this project" in done.stderr


def serve(project: Project, said: str, **more: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "abathur", "mcp", "serve"],
        input=said,
        capture_output=True,
        text=True,
        check=False,
        cwd=project.root,
        env=env(**more),
        timeout=60,
    )


def env(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **more}
