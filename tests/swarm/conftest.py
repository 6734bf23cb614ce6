"""A project with a queue in it, and swarms that run on it in this process or in another one."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from abathur import bootstrap
from abathur.bootstrap import supervision
from abathur.domain.gates import GateRun
from abathur.domain.landing import Landing
from abathur.domain.runs import Attempt
from abathur.domain.tasks import NewTask, Task
from abathur.infrastructure.database import Database
from abathur.ports.stores import TaskFilter
from abathur.services import verifying
from abathur.services.submitting import submit
from abathur.swarm.events import SwarmEvent, SwarmEventKind
from abathur.swarm.supervisor import Supervisor, SwarmResult
from tests.forked import Forked

SUPERVISE = Path(__file__).with_name("supervise.py")

SECONDS = 20
"""After which something hangs."""

Script = Sequence[Mapping[str, Any]] | Mapping[str, Sequence[Mapping[str, Any]]]

CONFIG: Mapping[str, Any] = {
    "default_runtime": "fake",
    "swarm": {"max_agents": 3, "grace_seconds": 2, "heartbeat_seconds": 1, "lease_seconds": 20},
    "retry": {"initial_seconds": 0.05, "max_seconds": 0.2},
    "targets": {"main": {"allow": True}},
}


@dataclass
class LandingNothing:
    """A database from which no landing can be claimed."""

    real: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    async def write(self, use_case: Any, *args: Any, **kwargs: Any) -> Any:
        if use_case.__name__ == "claim_landings":
            return []
        return await self.real.write(use_case, *args, **kwargs)


@dataclass
class World:
    """A repository, its queue, and what a test does and sees there."""

    root: Path
    db: Database
    events: list[SwarmEvent] = field(default_factory=list)

    def configure(self, **sections: Any) -> None:
        """Write the configuration: the tests' defaults with these sections on top."""
        text = json.dumps({**CONFIG, **sections})  # JSON is YAML
        (self.root / ".abathur" / "config.yaml").write_text(text)

    def git(self, *args: str) -> str:
        done = subprocess.run(
            ["git", *args], cwd=self.root, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    async def submit(self, prompt: str, script: Script = (), **fields: Any) -> Task:
        new = NewTask(prompt=prompt, input_data={"script": script}, **fields)
        submitted = await self.db.write(
            submit,
            new,
            task_id=bootstrap.new_id(),
            now=datetime.now(UTC),
            actor="test",
        )
        return submitted.task

    async def supervisor(self) -> Supervisor:
        project = bootstrap.load_project(self.root)
        return await supervision.build_supervisor(project, self.db, self.events.append)

    async def run_until_idle(self, task_limit: int | None = None) -> SwarmResult:
        supervisor = await self.supervisor()
        return await supervisor.run(until_idle=True, task_limit=task_limit)

    async def run_agents(self) -> None:
        """Let all tasks be worked on, and leave their landings in the queue."""
        wanted = len(await self.tasks())
        parts = (await self.supervisor())._parts
        supervisor = Supervisor(replace(parts, db=LandingNothing(self.db)), self.events.append)
        running = asyncio.create_task(supervisor.run())
        try:
            async with asyncio.timeout(SECONDS), self.db.wakeups() as wakeups:
                while len(await self.db.read(lambda stores: stores.landings.open())) < wanted:
                    await wakeups.wait(1)
        finally:
            supervisor.stop()
            await running
        self.events.clear()

    async def gate_runs(self, task: Task) -> Sequence[GateRun]:
        return await self.db.read(lambda stores: stores.gates.of_task(task.id))

    async def task(self, task: Task) -> Task:
        found = await self.db.read(lambda stores: stores.tasks.get(task.id))
        assert found is not None
        return found

    async def tasks(self) -> Sequence[Task]:
        return await self.db.read(lambda stores: stores.tasks.select(TaskFilter(limit=1000)))

    async def attempts(self, task: Task) -> Sequence[Attempt]:
        return await self.db.read(lambda stores: stores.attempts.of_task(task.id))

    async def landings(self, task: Task) -> Sequence[Landing]:
        return await self.db.read(lambda stores: stores.landings.of_task(task.id))

    def kinds(self, task: Task | None = None) -> list[SwarmEventKind]:
        return [e.kind for e in self.events if task is None or e.task_id == task.id]

    def file(self, name: str, branch: str = "main") -> str:
        return self.git("show", f"{branch}:{name}")

    def start_swarm(self, mode: str = "until-idle") -> Forked:
        """A supervisor in its own process and session; its events come as lines on stdout."""
        with (self.root / ".abathur" / "swarm.err").open("ab") as errors:
            return Forked(SUPERVISE, str(self.root), mode, stderr=errors.fileno())

    def swarm_errors(self) -> str:
        return (self.root / ".abathur" / "swarm.err").read_text()

    def survivors(self) -> list[str]:
        """Processes of agents of this project that live, by what they run."""
        mark = str(self.root / ".abathur")
        found = []
        for process in psutil.process_iter():
            try:
                env = process.environ()
                if "ABATHUR_WORKER" in env and mark in env.get("ABATHUR_FACTS", ""):
                    found.append(" ".join(process.cmdline()))
            except (psutil.Error, OSError):
                continue
        return found

    def landed(self) -> list[str]:
        """Ids of tasks by the merges on main that carry them, one for each merge."""
        log = self.git("log", "--first-parent", "--format=%(trailers:key=Abathur-Task,valueonly)")
        return [line for line in log.splitlines() if line]

    async def assert_sound(self) -> None:
        """What must be true of a swarm at rest, whatever happened to it."""
        assert self.survivors() == []
        assert await self.db.check() == []
        assert list(map(str, (await self.db.read(verifying.verify)).breaks)) == []
        landed = self.landed()
        assert len(landed) == len(set(landed))
        assert self.git("worktree", "list").count("\n") == 0
        assert [*self.root.glob(".git/worktrees/*"), *self.root.glob(".git/abathur*")] == []
        assert "task/" not in self.git("branch", "--list")
        assert self.git("status", "--porcelain", "--untracked-files=no") == ""
        assert self.git("fsck", "--connectivity-only", "--no-dangling") == ""


@pytest.fixture
async def world(git_repo: Path, new_file: Callable[[Path], Path]) -> AsyncIterator[World]:
    folder = git_repo / ".abathur"
    folder.mkdir()
    file = new_file(folder / "abathur.db")
    async with made_world(git_repo, file, has_folder=True) as made:
        yield made


@pytest.fixture
async def postgres_world(
    git_repo: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    """A world whose queue is in PostgreSQL."""
    monkeypatch.setenv("ABATHUR_DB", postgres_url)
    async with made_world(git_repo, postgres_url) as made:
        yield made


@asynccontextmanager
async def made_world(
    repo: Path, place: Path | str, *, has_folder: bool = False
) -> AsyncIterator[World]:
    folder = repo / ".abathur"
    folder.mkdir(exist_ok=has_folder)
    (folder / ".gitignore").write_text("*\n")
    async with Database(place) as db:
        made = World(repo, db)
        made.configure()
        yield made
