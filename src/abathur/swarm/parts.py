"""What a supervisor is built from: everything that touches the outside, behind ports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from abathur.domain.agents import AgentSpec
from abathur.domain.redaction import Redactor
from abathur.domain.results import SchemaCheck
from abathur.domain.retry import RetryPolicy
from abathur.domain.schedules import Timetable
from abathur.domain.settings import Settings
from abathur.domain.tasks import JsonObject
from abathur.ports.clock import Clock
from abathur.ports.configured import Configuration, ConfigurationSource
from abathur.ports.disk import Disk
from abathur.ports.evidence import Evidence
from abathur.ports.processes import ProcessRunner
from abathur.ports.prompts import PromptWriter
from abathur.ports.repository import Repository
from abathur.ports.runtimes import AgentRuntime
from abathur.ports.spool import Spool
from abathur.ports.stores import UnitOfWork
from abathur.ports.tool_servers import ToolServers
from abathur.ports.vectors import Embedder
from abathur.ports.wakeups import Wakeups

WORKER_TAG = "ABATHUR_WORKER"
RUN_TAG = "ABATHUR_RUN"
GIT_TAG = "ABATHUR_GIT"
"""On git processes of a worker. They aren't agents: the warden lets them end by themselves."""


LONGEST_GRACE_SHARE = 0.25
"""Of a lease: agents that are ended because it can't be renewed have to be gone before it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    worker_id: str
    db: UnitOfWork
    repository: Repository
    processes: ProcessRunner
    open_wakeups: Callable[[], AbstractAsyncContextManager[Wakeups]]
    clock: Clock
    spool: Spool
    evidence: Evidence
    disk: Disk
    configuration: Configuration
    source: ConfigurationSource
    host: str
    folder: Path
    """The project's `.abathur`."""
    function_argv: Callable[[Path, str], tuple[str, ...]]
    """From a Python file of the project and the name of a function: the command that calls it."""
    load_runtime: Callable[[str], AgentRuntime]
    compile_schema: Callable[[JsonObject], SchemaCheck]
    """Of results. Raises `ConfigError`."""
    new_id: Callable[[], str]
    timetable: Timetable
    checked_out: Callable[[], str | None]
    """The branch of the main working tree, as far as a look at one file tells."""
    lacks_branch: Callable[[str], bool]
    """Whether it is sure, by a look at a file or two, that there is no such branch."""
    tool_servers: ToolServers
    redactor: Redactor
    """Takes secrets out of what agents and programs say before it is kept or shown."""
    chance: Callable[[], float]
    """Uniform in [0, 1)."""
    guard: Callable[[Mapping[str, str]], AbstractAsyncContextManager[object]]
    """While it is open, processes with the tags don't outlive us, whatever kills us."""
    embedder: Embedder | None = None
    """Says what texts mean; without one, memories are found by their words."""
    traceparent: Callable[[str, int], str] | None = None
    """Of a task's attempt: what a program is given whose own traces belong to it."""

    @property
    def settings(self) -> Settings:
        """As they are at the moment."""
        return self.configuration.settings

    @property
    def prompts(self) -> PromptWriter:
        return self.configuration.prompts

    def resolve_agent(self, agent_type: str) -> AgentSpec:
        """Raises `ConfigError`."""
        return self.configuration.resolve(agent_type)

    @property
    def worktrees(self) -> Path:
        return self.folder / "worktrees"

    @property
    def sessions(self) -> Path:
        """What agent programs remember of sessions, a folder for each worktree."""
        return self.folder / "sessions"

    @property
    def grace_seconds(self) -> float:
        """What an agent is given between being asked to end and being killed."""
        swarm = self.settings.swarm
        return min(swarm.grace_seconds, swarm.lease_seconds * LONGEST_GRACE_SHARE)

    @property
    def policy(self) -> RetryPolicy:
        retry = self.settings.retry
        return RetryPolicy(
            initial_seconds=retry.initial_seconds,
            factor=retry.factor,
            max_seconds=retry.max_seconds,
            jitter=retry.jitter,
        )

    def run_folder(self, task_id: str, attempt: int) -> Path:
        """Where the transcript and the logs of one attempt lie."""
        return self.folder / "runs" / task_id / str(attempt)
