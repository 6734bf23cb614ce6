"""The real Codex as a client: a swarm's agent over HTTP, a person's program over stdio."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from abathur.bootstrap import Project, load_project
from abathur.bootstrap.supervision import build_supervisor
from abathur.domain.tasks import NewTask, Task, TaskStatus
from abathur.infrastructure.database import Database
from abathur.infrastructure.model_server.script import Conversation, Match, Script, ToolCall, Turn
from abathur.infrastructure.model_server.server import ModelServer
from abathur.ports.stores import TaskFilter
from abathur.services.reading import list_tasks
from abathur.services.submitting import submit
from tests.programs import needs, program

pytestmark = [pytest.mark.slow, needs("codex")]

TOOL = "mcp__abathur__"
ALWAYS = ('default_tools_approval_mode="approve"', "required=true", "startup_timeout_sec=60")
"""What a person would be asked, and the patience of a machine that is busy."""
PLACE = {"namespace": "project:wings", "key": "material"}
NOTE = {**PLACE, "value": {"of": "wax"}, "memory_type": "semantic", "created_by": "planner"}
PART = {"name": "wing", "summary": "Build the wing", "description": "Write wing.txt"}


@pytest.fixture
def tmp_path(disk_path: Path) -> Path:
    return disk_path


def talk(prompt: str, *turns: Turn) -> Conversation:
    return Conversation(name=prompt, when=Match(prompt=(prompt,)), turns=turns)


def call(tool: str, **args: Any) -> Turn:
    return Turn(tools=(ToolCall(f"{TOOL}{tool}", args),))


CHAIN = Script(
    name="chain",
    conversations=(
        talk(
            "Write wing.txt",
            call("memory_get", **PLACE),
            Turn(tools=(ToolCall("exec_command", {"cmd": "echo wax > wing.txt"}),)),
            call("task_report", execution_status="SUCCESS", deliverables={"file": "wing.txt"}),
            Turn(texts=("Done.",)),
        ),
        talk(
            "Plan a wing",
            call("memory_add", **NOTE),
            call("task_enqueue_many", tasks=[PART], idempotency_key="plan"),
            call("task_report", execution_status="SUCCESS"),
            Turn(texts=("Planned.",)),
        ),
    ),
)


def prepare(project: Project, url: str) -> Project:
    config = {
        "default_runtime": "codex",
        "swarm": {"max_agents": 2, "grace_seconds": 5},
        "targets": {"main": {"allow": True}},
        "mcp": {"servers": ["abathur"]},
        "runtimes": {
            "codex": {
                "program": str(program("codex")),
                "model": "gpt-5.5-codex",
                "base_url": f"{url}/v1",
                "env": {"OPENAI_API_KEY": "dummy"},
            }
        },
    }
    (project.folder / "config.yaml").write_text(json.dumps(config))
    return load_project(project.root)


async def run(project: Project) -> Sequence[Task]:
    async with Database(project.file) as db:
        new = NewTask(prompt="Plan a wing", agent_type="planner", feature_branch="main")
        task_id = "00000000-0000-7000-8000-000000000000"
        await db.write(submit, new, task_id=task_id, now=db.clock().now(), actor="cli:ada")
        supervisor = await build_supervisor(project, db, lambda _: None)
        await supervisor.run(until_idle=True)
        return await db.read(list_tasks, TaskFilter())


@pytest.mark.timeout(180)
async def test_its_processes_plan_remember_work_and_report_over_http(project: Project) -> None:
    with ModelServer(CHAIN) as server:
        tasks = await run(await asyncio.to_thread(prepare, project, server.url))
        said = json.dumps([request.body["input"] for request in server.requests])
    told = [(task.summary, task.status, task.error_message) for task in tasks]
    assert {task.status for task in tasks} == {TaskStatus.COMPLETED}, told
    by_name = {task.summary: task for task in tasks}
    plan, wing = by_name["Plan a wing"], by_name["Build the wing"]
    assert wing.parent_task_id == plan.id
    assert wing.result_data is not None
    assert wing.result_data["deliverables"] == {"file": "wing.txt"}
    # The second process was told what the first one had remembered.
    assert "wax" in said.partition("Write wing.txt")[2]
    args = ["git", "show", "main:wing.txt"]
    shown = await asyncio.to_thread(
        subprocess.run, args, cwd=project.root, check=True, capture_output=True
    )
    assert shown.stdout == b"wax\n"


async def test_it_starts_a_server_over_stdio_as_a_person_s_program(project: Project) -> None:
    enqueue = call("task_enqueue", description="Do it", source="human")
    script = Script(
        name="stdio", conversations=(talk("Queue it", enqueue, Turn(texts=("Queued.",))),)
    )
    home = project.root.parent / "codex"
    home.mkdir()
    with ModelServer(script) as server:
        (home / "config.toml").write_text(
            f"""
            model = "gpt-5.5-codex"
            model_provider = "here"
            [model_providers.here]
            name = "here"
            base_url = "{server.url}/v1"
            env_key = "OPENAI_API_KEY"
            wire_api = "responses"
            [projects."{project.root}"]
            trust_level = "trusted"
            """
        )
        env = {"CODEX_HOME": str(home), "OPENAI_API_KEY": "dummy", "HOME": str(home)}
        install = (sys.executable, "-m", "abathur", "mcp", "install", "--client", "codex")
        installed = await run_in(project, env, *install)
        assert installed[0] == 0, installed
        options = [part for option in ALWAYS for part in ("-c", f"mcp_servers.abathur.{option}")]
        codex = (str(program("codex")), "exec", "--skip-git-repo-check", *options, "Queue it")
        done = await run_in(project, env, *codex)
    assert done[0] == 0, done
    async with Database(project.file) as db:
        (task,) = await db.read(list_tasks, TaskFilter())
    assert task.prompt == "Do it"


async def run_in(project: Project, env: dict[str, str], *command: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=project.root,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **env},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 100)
    assert process.returncode is not None
    return process.returncode, out.decode()
