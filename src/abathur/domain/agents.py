"""Who does the work: agent types as they are defined, and agents as they ran."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from abathur.domain.hosts import machine_of
from abathur.domain.tasks import JsonObject


class AgentState(StrEnum):
    SPAWNING = "spawning"
    BUSY = "busy"
    TERMINATED = "terminated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """One agent: the process that served one attempt."""

    id: str
    name: str
    agent_type: str
    task_id: str
    state: AgentState
    model: str
    spawned_at: datetime
    terminated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSpec:
    """An agent type, resolved: which runtime serves it and what it is told."""

    agent_type: str
    runtime: str
    description: str = ""
    model: str | None = None
    tools: tuple[str, ...] = ()
    system_prompt: str = ""
    settings: JsonObject = field(default_factory=dict)
    """For the runtime: its own section of the configuration under that of the agent type."""
    source: Path | None = None
    """The definition file; None when only configuration speaks of the type."""
    definition_version: str | None = None
    """Of that file: see `AgentDefinition.version`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A supervisor process that claims tasks."""

    id: str
    host: str
    """With marks: see `domain.hosts`."""
    pid: int
    pid_started_at: float
    """Seconds since the boot on Linux, since the epoch elsewhere; see `ports.processes`."""
    repository: str
    max_agents: int
    started_at: datetime
    heartbeat_at: datetime
    lease_until: datetime
    stop_requested_at: datetime | None = None
    stopped_at: datetime | None = None

    @property
    def machine(self) -> str:
        """What people call its host."""
        return machine_of(self.host)
