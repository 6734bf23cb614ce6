"""Servers as processes: what a client starts, and what it reads from their stdout."""

import json
import os
import subprocess
import sys
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

from abathur.bootstrap import Project
from abathur.mcp.unanswered import Unanswered

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


def test_nothing_but_the_protocol_is_on_stdout_and_all_that_was_asked_is_answered(
    project: Project,
) -> None:
    lines = [
        '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18",'
        '"capabilities":{},"clientInfo":{"name":"t","version":"1"}}}',
        "this is no JSON",
        '{"jsonrpc":"2.0","method":"notifications/initialized"}',
        '{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"nope","arguments":{}}}',
        *(
            f'{{"jsonrpc":"2.0","id":{number},"method":"tools/call","params":'
            '{"name":"task_enqueue","arguments":{"description":"Do it"}}}'
            for number in range(3, 13)
        ),
    ]
    done = serve(project, "\n".join(lines) + "\n")  # and then it ends
    assert done.returncode == 0
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert all(one["jsonrpc"] == "2.0" for one in said)
    by_id: dict[int, Any] = {one.get("id"): one for one in said}
    assert by_id[1]["result"]["protocolVersion"] == "2025-06-18"
    assert by_id[2]["error"]["message"] == "Unknown tool: nope"
    made = [by_id[number]["result"]["structuredContent"]["status"] for number in range(3, 13)]
    assert made == ["ready"] * 10


async def test_the_end_of_the_input_waits_for_answers_and_not_for_what_waits_itself() -> None:
    async with anyio.create_task_group() as group:
        unanswered = Unanswered({"task_wait"}, seconds=60)
        for number, name in enumerate(("task_list", "task_get", "task_wait")):
            unanswered.asked(message(id=number, method="tools/call", params={"name": name}))
        unanswered.asked(message(id=3, method="subscriptions/listen", params={}))
        is_over = anyio.Event()

        async def resting() -> None:
            await unanswered.rest()
            is_over.set()

        group.start_soon(resting)
        await anyio.wait_all_tasks_blocked()
        unanswered.said(message(id=0, result={}))
        await anyio.wait_all_tasks_blocked()
        assert not is_over.is_set()
        gone = {"requestId": 1}
        unanswered.asked(message(method="notifications/cancelled", params=gone))
        await is_over.wait()


def message(**parts: Any) -> SessionMessage:
    return SessionMessage(jsonrpc_message_adapter.validate_python({"jsonrpc": "2.0", **parts}))


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
