"""Definitions of the older template's shape, unchanged: from requirements to what landed.

Real Claude Code processes in a real swarm, against a scripted model: a requirements agent adds an
architecture task, that one a planning task, and that one a graph of implementation tasks, which
wait for each other, run, land and report. What one has learnt is handed to the next as a memory.
"""

import asyncio
import json
import subprocess
from collections.abc import Sequence
from typing import Any

import pytest

from abathur.bootstrap import Project, load_project
from abathur.bootstrap.supervision import build_supervisor
from abathur.domain.tasks import NewTask, Task, TaskSource, TaskStatus
from abathur.infrastructure.database import Database
from abathur.infrastructure.model_server.script import Conversation, Match, Script, ToolCall, Turn
from abathur.infrastructure.model_server.server import ModelServer
from abathur.ports.stores import TaskFilter
from abathur.services.reading import list_tasks
from abathur.services.submitting import submit
from tests.programs import needs, program

pytestmark = [pytest.mark.slow, needs("claude")]

QUEUE, MEMORY = "mcp__abathur-task-queue__", "mcp__abathur-memory__"
DEFINITION = """\
---
name: {name}
description: "Keywords: {name}"
model: {model}
color: Blue
tools: Read, Write, Edit, Grep, Glob, Bash
mcp_servers:
  - abathur-memory
  - abathur-task-queue
---

You are the {name} of the swarm.
"""
OLDER_SERVERS = {
    name: {
        "command": "venv/bin/python",
        "args": ["-m", f"abathur.mcp.{module}", "--db-path", ".abathur/abathur.db"],
    }
    for name, module in (
        ("abathur-memory", "memory_server"),
        ("abathur-task-queue", "task_queue_server"),
    )
}
DONE = '```json\n{"execution_status": {"status": "SUCCESS"}, "deliverables": {"n": 1}}\n```'


def remember(key: str, says: str) -> ToolCall:
    return ToolCall(
        f"{MEMORY}memory_add",
        {
            "namespace": "agents:registry",
            "key": key,
            "value": {"says": says},
            "memory_type": "semantic",
            "created_by": key,
        },
    )


def recall(key: str) -> ToolCall:
    return ToolCall(f"{MEMORY}memory_get", {"namespace": "agents:registry", "key": key})


def enqueue(agent_type: str, description: str, source: str) -> ToolCall:
    """With the parameters that the shipped prompts name, wrong ones among them."""
    args = {
        "description": description,
        "source": source,
        "agent_type": agent_type,
        "priority": 7,
        "prerequisite_task_ids": [],
        "metadata": {"from": source},
    }
    return ToolCall(f"{QUEUE}task_enqueue", args)


def part(name: str, *needs: str) -> dict[str, Any]:
    return {
        "name": name,
        "needs": list(needs),
        "summary": f"Part {name}",
        "description": f"Write {name}.txt",
        "agent_type": "python-specialist",
    }


GRAPH = [part("model"), part("api", "model"), part("docs", "model"), part("tests", "api", "docs")]


def talk(role: str, *turns: Turn, prompt: str = "") -> Conversation:
    when = Match(system=(f"You are the {role} of",), prompt=(prompt,) if prompt else ())
    return Conversation(name=f"{role} {prompt}", when=when, turns=turns)


def write(name: str) -> Conversation:
    file = ToolCall("Write", {"file_path": f"{name}.txt", "content": f"{name}\n"})
    report = ToolCall(
        f"{QUEUE}task_report",
        {"execution_status": {"status": "SUCCESS"}, "deliverables": {"file": f"{name}.txt"}},
    )
    says = (Turn(tools=(file,)), Turn(tools=(report,)), Turn(texts=("Done.",)))
    return talk("python-specialist", *says, prompt=f"Write {name}.txt")


def conversations() -> tuple[Conversation, ...]:
    return (
        talk(
            "requirements-gatherer",
            Turn(tools=(remember("requirements", "it must fly"),)),
            Turn(tools=(enqueue("technical-architect", "Design it", "requirements-gatherer"),)),
            Turn(texts=(DONE,)),
        ),
        talk(
            "technical-architect",
            Turn(tools=(recall("requirements"),)),
            Turn(tools=(remember("architecture", "wings of wax"),)),
            Turn(tools=(enqueue("task-planner", "Plan it", "technical-architect"),)),
            Turn(texts=(DONE,)),
        ),
        talk(
            "task-planner",
            Turn(tools=(recall("architecture"),)),
            Turn(
                tools=(
                    ToolCall(
                        f"{QUEUE}task_enqueue_many", {"tasks": GRAPH, "idempotency_key": "plan"}
                    ),
                )
            ),
            Turn(texts=(DONE,)),
        ),
        *(write(one["name"]) for one in GRAPH),
    )


def prepare(project: Project, url: str) -> Project:
    agents = project.root / ".claude" / "agents"
    for folder, name, model in (
        ("abathur", "requirements-gatherer", "opus"),
        ("abathur", "technical-architect", "opus"),
        ("abathur", "task-planner", "sonnet"),
        ("workers", "python-specialist", "sonnet"),
    ):
        (agents / folder).mkdir(parents=True, exist_ok=True)
        (agents / folder / f"{name}.md").write_text(DEFINITION.format(name=name, model=model))
    (project.root / ".mcp.json").write_text(json.dumps({"mcpServers": OLDER_SERVERS}))
    env = {
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_API_KEY": "dummy",
        "CLAUDE_CODE_MAX_RETRIES": "1",
    }
    config = {
        "swarm": {"max_agents": 2, "grace_seconds": 5},
        "targets": {"main": {"allow": True}},
        "verify": "test ! -e tests.txt || test -s api.txt -a -s docs.txt -a -s model.txt",
        "runtimes": {"claude": {"program": str(program("claude")), "env": env}},
    }
    (project.folder / "config.yaml").write_text(json.dumps(config))
    for args in (["add", "."], ["commit", "--quiet", "-m", "Agents"]):
        subprocess.run(["git", *args], cwd=project.root, check=True)
    return load_project(project.root)


async def run(project: Project) -> Sequence[Task]:
    new = NewTask(
        prompt="Build a flying machine", agent_type="requirements-gatherer", feature_branch="main"
    )
    async with Database(project.file) as db:
        now = db.clock().now()
        task_id = "00000000-0000-7000-8000-000000000000"
        await db.write(submit, new, task_id=task_id, now=now, actor="cli:ada")
        supervisor = await build_supervisor(project, db, lambda _: None)
        await supervisor.run(until_idle=True)
        return await db.read(list_tasks, TaskFilter())


def landed(project: Project) -> set[str]:
    args = ["git", "ls-tree", "--name-only", "main"]
    done = subprocess.run(args, cwd=project.root, check=True, capture_output=True, text=True)
    return set(done.stdout.split())


@pytest.mark.timeout(180)
async def test_a_chain_of_older_agents_lands_a_graph_of_tasks(project: Project) -> None:
    with ModelServer(Script(name="chain", conversations=conversations())) as server:
        tasks = await run(await asyncio.to_thread(prepare, project, server.url))
        said = json.dumps([request.body["messages"] for request in server.requests])
    told = [(task.summary, task.status, task.error_message) for task in tasks]
    assert len(tasks) == 7, told
    assert {task.status for task in tasks} == {TaskStatus.COMPLETED}, told

    by_name = {task.summary: task for task in tasks}
    first, design, plan = (
        by_name[one] for one in ("Build a flying machine", "Design it", "Plan it")
    )
    assert (design.parent_task_id, plan.parent_task_id) == (first.id, design.id)
    assert (design.priority, design.input_data) == (7, {"from": "requirements-gatherer"})
    assert design.source is TaskSource.AGENT_REQUIREMENTS
    parts = {name: by_name[f"Part {name}"] for name in ("model", "api", "docs", "tests")}
    assert {task.parent_task_id for task in parts.values()} == {plan.id}
    assert set(parts["tests"].prerequisites) == {parts["api"].id, parts["docs"].id}
    assert parts["api"].result_data is not None
    assert parts["api"].result_data["deliverables"] == {"file": "api.txt"}

    # Memories were handed on, and what landed is there.
    assert "it must fly" in said
    assert said.count("wings of wax") > 1
    assert landed(project) >= {"model.txt", "api.txt", "docs.txt", "tests.txt"}
