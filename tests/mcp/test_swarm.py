"""A swarm's agents share one server, by which each is known as its own run."""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from abathur.bootstrap import Project, load_project
from abathur.bootstrap.supervision import build_supervisor
from abathur.domain.runs import Command, Exit, Outcome, OutcomeKind, RunEvent, RunSpec
from abathur.domain.tasks import NewTask, Task, TaskStatus
from abathur.infrastructure.database import Database
from abathur.infrastructure.runtimes.mcp_servers import as_json
from abathur.ports.stores import TaskFilter
from abathur.services.reading import list_tasks
from abathur.services.submitting import submit
from abathur.swarm.events import SwarmEvent
from abathur.swarm.parts import Parts

AGENT = Path(__file__).with_name("agent.py")
CONFIG = {
    "default_runtime": "fake",
    "swarm": {"max_agents": 2, "grace_seconds": 2},
    "targets": {"main": {"allow": True}},
}


@dataclass(frozen=True)
class Scripted:
    """A runtime whose agent calls the tools that its input data names."""

    name: str = "scripted"

    def command(self, spec: RunSpec) -> Command:
        calls, servers = spec.scratch / "calls.json", spec.scratch / "servers.json"
        answers = spec.input_data.get("answers", "/dev/null")
        return Command(
            argv=(sys.executable, str(AGENT), str(servers), str(calls), answers),
            pass_env=("PYTHONPATH",),
            files={
                servers: as_json(spec.mcp_servers) or "{}",
                calls: json.dumps(spec.input_data.get("calls", [])),
            },
        )

    def parse(self, line: str) -> tuple[RunEvent, ...]:
        return ()

    def outcome(self, end: Exit, events: Sequence[RunEvent]) -> Outcome:
        if end.code == 0:
            return Outcome(kind=OutcomeKind.SUCCEEDED)
        return Outcome(kind=OutcomeKind.FAILED, message=end.stderr_tail[-500:])


def with_agent(parts: Parts) -> Parts:
    return replace(parts, load_runtime=lambda _: Scripted())


def configured(project: Project, **sections: Any) -> Project:
    text = json.dumps({**CONFIG, **sections})
    (project.folder / "config.yaml").write_text(text)
    return load_project(project.root)


async def ran(
    project: Project, prompt: str, events: list[SwarmEvent] | None = None, **input_data: Any
) -> tuple[Task, Sequence[Task]]:
    """The task after a swarm has worked on it, and all others."""
    new = NewTask(prompt=prompt, input_data=input_data, feature_branch="main", agent_type="planner")
    new = replace(new, max_retries=0)
    async with Database(project.file) as db:
        now = db.clock().now()
        task_id = f"{os.getpid():08x}-0000-4000-8000-{len(prompt):012x}"
        await db.write(submit, new, task_id=task_id, now=now, actor="cli:ada")
        sink = (events if events is not None else []).append
        supervisor = await build_supervisor(project, db, sink, into=with_agent)
        await supervisor.run(until_idle=True)
        tasks = await db.read(list_tasks, TaskFilter())
    return tasks[0], tasks[1:]


async def test_an_agent_adds_tasks_to_the_swarm_that_runs_it(
    project: Project, tmp_path: Path
) -> None:
    agents = {"planner": {"mcp_servers": ["abathur-task-queue", "abathur"]}}
    project = configured(project, agents=agents)
    answers = tmp_path / "answers.json"
    calls: list[Any] = [
        ("abathur-task-queue", "task_enqueue", {"description": "Part", "agent_type": "planner"}),
        ("abathur", "task_list", {}),
    ]
    first, others = await ran(project, "Plan", calls=calls, answers=str(answers))
    assert first.status is TaskStatus.COMPLETED, first.error_message
    added, listed = json.loads(answers.read_text())
    assert not added["error"]
    assert len(listed["said"]["tasks"]) == 2
    (part,) = others
    assert part.parent_task_id == first.id
    assert part.created_by == f"mcp:{first.id}"
    assert part.status is TaskStatus.COMPLETED
    assert not [one for one in psutil.process_iter(["cmdline"]) if is_server(one, project)]
    assert not list((project.folder / "mcp").glob("server-*"))


def is_server(process: psutil.Process, project: Project) -> bool:
    line = process.info["cmdline"] or []
    return str(project.root) in line and "serve" in line


async def test_servers_of_the_project_are_handed_to_who_asks_for_them(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEATHER_KEY", "s3cret-of-the-weather")
    described = {
        "weather": {"command": "weather", "args": ["--all"], "env": {"KEY": "${WEATHER_KEY}"}},
        "news": {"url": "https://news.example/mcp", "headers": {"X": "${NOWHERE:-none}"}},
    }
    (project.root / ".mcp.json").write_text(json.dumps({"mcpServers": described}))
    seen: list[RunSpec] = []

    class Watching(Scripted):
        def command(self, spec: RunSpec) -> Command:
            seen.append(spec)
            return Command(argv=("true",))

    monkeypatch.setattr(f"{__name__}.Scripted", Watching)
    project = configured(project, agents={"planner": {"mcp_servers": ["weather", "news"]}})
    await ran(project, "Look")
    weather, news = seen[-1].mcp_servers
    assert weather.command[-3:] == ("abathur.mcp.reviving", "weather", "--all")
    assert weather.env == {"KEY": "s3cret-of-the-weather"}
    assert (news.url, news.headers) == ("https://news.example/mcp", {"X": "none"})


async def test_a_server_that_nobody_describes_holds_the_task_with_a_clear_line(
    project: Project,
) -> None:
    project = configured(project, agents={"planner": {"mcp_servers": ["nowhere"]}})
    task, _ = await ran(project, "Look")
    assert (task.status, task.retry_count) == (TaskStatus.READY, 0)
    assert "no server `nowhere` is described in .mcp.json" in (task.error_message or "")


async def test_who_asks_for_no_server_gets_none_and_none_is_started(project: Project) -> None:
    project = configured(project)
    task, _ = await ran(project, "Plain", calls=[])
    assert task.status is TaskStatus.COMPLETED, task.error_message
    assert not (project.folder / "mcp").exists()
