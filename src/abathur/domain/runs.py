"""One run of a task by an agent: what it is told, what it says while it runs, how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from abathur.domain.failures import FailureClass
from abathur.domain.records import record
from abathur.domain.results import TaskResult
from abathur.domain.tasks import JsonObject

StopSignal = Literal["INT", "TERM"]


@dataclass(frozen=True, slots=True, kw_only=True)
class McpServer:
    """A server of the Model Context Protocol that an agent is to have: a program, or an address."""

    name: str
    command: tuple[str, ...] = ()
    """The program and its arguments, which speaks over stdio; empty when there is a `url`."""
    env: Mapping[str, str] = field(default_factory=dict)
    """For the program. May hold secrets: never put it into process arguments."""
    url: str | None = None
    """Of a server that speaks streamable HTTP."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """For the address. May hold secrets, like a bearer token: as with `env`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpec:
    """Everything a runtime needs to know to say how its program is started."""

    task_id: str
    attempt: int
    agent_type: str
    prompt: str
    """The whole text that the agent is given."""
    system_prompt: str = ""
    model: str | None = None
    effort: str | None = None
    """How hard the model is to think, as the runtime names it."""
    tools: tuple[str, ...] = ()
    denied_tools: tuple[str, ...] = ()
    """Tools that the agent must not have, whatever else is allowed."""
    mcp_servers: tuple[McpServer, ...] = ()
    max_turns: int | None = None
    """How often the model may be asked; None is without end."""
    add_dirs: tuple[Path, ...] = ()
    """Folders beside the worktree that the agent may use."""
    worktree: Path
    scratch: Path
    """A private folder outside the worktree for temporary files."""
    home: Path | None = None
    """A private folder for what the program remembers; it stays while a session can be gone on
    with. None: in `scratch`."""
    session_id: str
    """A UUID chosen before the start, so that the run can be found again."""
    resume: str | None = None
    """A session of the program that is to be gone on with, in the same worktree path."""
    output_schema: JsonObject | None = None
    """The JSON schema of the result, for programs that can be held to one."""
    input_data: JsonObject = field(default_factory=dict)
    settings: JsonObject = field(default_factory=dict)
    """The runtime's own section of the configuration, over that of the agent type."""
    allowed: tuple[str, ...] = ()
    """What a person has approved for this task after it was denied: rules of the runtime's."""
    budget_usd: float | None = None
    """What the run may spend; None is without end."""

    @property
    def private_home(self) -> Path:
        return self.home or self.scratch


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A program to start. Never goes through a shell."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    """Added to the clean environment that every child gets."""
    pass_env: tuple[str, ...] = ()
    """Names of variables to hand on from our own environment when set (`PREFIX*` is possible)."""
    stdin: bytes = b""
    files: Mapping[Path, str] = field(default_factory=dict)
    """Written before the start, for this user's eyes alone: what mustn't be in an argument."""
    behind: str = ""
    """The program that a program of ours starts in its turn: what has to be there."""
    stop_signal: StopSignal = "TERM"
    """By which the program is asked to end, before anything that it started is."""


class EventKind(StrEnum):
    """The one vocabulary in which all runtimes tell what happens."""

    STARTED = "started"
    TEXT = "text"
    TOOL_USE = "tool_use"
    TOOL_RESULT = "tool_result"
    USAGE = "usage"
    LIMIT = "limit"
    DENIED = "denied"
    WARNING = "warning"
    RAW = "raw"
    """A line that the runtime doesn't understand, kept and never fatal."""
    WATCH = "watch"
    """What the swarm saw of a run that says nothing."""
    END = "end"
    """The program's own final word about the run."""


@dataclass(frozen=True, slots=True)
class RunEvent:
    kind: EventKind
    text: str = ""
    """One line fit for a person, at most some hundred characters."""
    data: JsonObject = field(default_factory=dict)


class OutcomeKind(StrEnum):
    """How an attempt ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    SILENT = "silent"
    """Ended by the swarm, because it said nothing and nothing of it moved."""
    RATE_LIMITED = "rate_limited"
    """The provider's limit, not the agent's fault: spends no retry."""
    CANCELLED = "cancelled"
    RELEASED = "released"
    """Handed back by an orderly stop: spends no retry."""
    LOST = "lost"
    """Its worker is gone: spends no retry."""

    @property
    def spends_retry(self) -> bool:
        return self in {OutcomeKind.FAILED, OutcomeKind.TIMED_OUT, OutcomeKind.SILENT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a run used. `None` is unknown, which isn't zero."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    cost_usd: float | None = None


def added(a: Usage | None, b: Usage | None) -> Usage | None:
    """Where one of the two doesn't know a figure, the other's counts: it is the least."""
    if a is None or b is None:
        return a or b

    def plus(name: str) -> Any:
        known = [v for one in (a, b) if (v := getattr(one, name)) is not None]
        return sum(known) if known else None

    return Usage(**{name: plus(name) for name in Usage.__dataclass_fields__})


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How the program ended: `code` is negative for a signal, None when it never started."""

    code: int | None
    timed_out: bool = False
    stopped: bool = False
    """We stopped it: cancelled, lease lost or the swarm was told to stop."""
    stderr_tail: str = ""
    stdout_tail: str = ""
    """Of the project's own commands only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """Something that the agent asked for and wasn't given."""

    tool: str
    input: JsonObject
    rule: str
    """What would allow it, as narrow as the runtime can say it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    kind: OutcomeKind
    message: str = ""
    """For anything but success: what went wrong, in one line."""
    result_data: JsonObject | None = None
    """What the program told at its end; with `result`, the content of that."""
    result: TaskResult | None = None
    """What the agent handed over, as it was found to be."""
    usage: Usage | None = None
    exit_code: int | None = None
    retry_after_seconds: float | None = None
    denied: tuple[Denial, ...] = ()
    """What may be why it failed or has changed nothing; a person can be asked to allow it."""
    failure: FailureClass | None = None
    """What kind of failure it was; None for a success, and where nothing is known."""
    is_guess: bool = False
    """Whether `failure` was read from words that may be about something else."""
    is_not_resumed: bool = False
    """The program wouldn't go on with the session it was told, and has done nothing."""
    is_session_usage: bool = False
    """`usage` is that of the whole session, with the runs before that were gone on with."""
    is_session_cost: bool = False
    """Only the cost in `usage` is: its tokens are those of this run alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LateReport:
    """What a worker reported after it had lost its lease: evidence, never applied."""

    task_id: str
    attempt: int
    fence: int
    worker_id: str
    received_at: datetime
    report: JsonObject
    """As it was written into the spool: outcome, commits, target."""


@record
class Attempt:
    """The record of one run."""

    task_id: str
    number: int
    fence: int
    worker_id: str
    runtime: str | None
    model: str | None
    session_id: str | None
    branch: str | None
    worktree_path: str | None
    base_commit: str | None
    """What the worktree started from."""
    head_commit: str | None
    """What the agent left, with leftover changes committed."""
    salvage_ref: str | None
    transcript_path: str | None
    pid: int | None
    pid_started_at: float | None
    """Seconds since the epoch as the kernel tells; with the pid it names a process for certain."""
    lease_until: datetime | None
    started_at: datetime
    ended_at: datetime | None
    outcome: OutcomeKind | None
    exit_code: int | None
    error_message: str | None
    usage: Usage | None
    feedback: JsonObject | None
    """Why the attempt before was sent back: kind, message, files, refs; None for a plain run."""
    failure_class: FailureClass | None = None
    """What kind of failure ended it, or refused its work afterwards."""
    model_choice: str | None = None
    """Why it was given its model, where a rule has chosen it."""
    definition_version: str | None = None
    """Of the agent definition that it ran with; None where no file defines the agent type."""
    result: TaskResult | None = None
    """What the agent handed over, also where its work didn't land."""
