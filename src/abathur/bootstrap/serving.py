"""What servers for agents and editors are built from."""

from __future__ import annotations

import math
import os
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from abathur import bootstrap, safeguards
from abathur.domain.delegation import Caller
from abathur.domain.errors import NotFoundError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from abathur.bootstrap import Project
    from abathur.domain.delegation import RunKey
    from abathur.domain.results import SchemaCheck
    from abathur.infrastructure.database import Database

TOKEN: Final = "ABATHUR_MCP_TOKEN"
"""Names the variable with the token of a run, for servers and bridges that it starts."""
MARKS: Final = ("ABATHUR_TASK_ID", "ABATHUR_WORKER")
"""Whoever has one of these in its environment was started by an agent."""


def person() -> Caller:
    """Who acts when a person's program calls."""
    return Caller(name=bootstrap.actor().removeprefix("cli:"))


def serving_for(env: Mapping[str, str] | None = None) -> str | None:
    """The supervisor that has started this process as its server; None when a person has."""
    return (os.environ if env is None else env).get(MARKS[1])


def key_of(project: Project) -> bytes:
    """Raises `OSError`, `RefusedError`."""
    from abathur.infrastructure.server_files import read_key

    return read_key(project.folder)


def caller_from(project: Project, env: Mapping[str, str] | None = None) -> Caller:
    """Who has started this process: the run of the token in its environment, else a person.

    Raises `RefusedError` for an agent without a token, so that none is taken for a person.
    """
    from abathur.domain.tokens import read

    variables = os.environ if env is None else env
    token = variables.get(TOKEN)
    if token:
        caller = read(key_of(project), token)
        if caller is None:
            raise RefusedError(f"the token in {TOKEN} isn't one of this project on this host")
        return caller
    refuse_agents(variables)
    return person()


def refuse_agents(env: Mapping[str, str] | None = None) -> None:
    """Raise `RefusedError` when an agent has started this process."""
    variables = os.environ if env is None else env
    if any(variables.get(name) for name in MARKS):
        raise RefusedError(
            "an agent can't start a server of its own, nor have a token but that of its run: the"
            " server that the swarm gives it is `abathur` in its list of servers"
        )


def result_schema(project: Project, agent_type: str) -> SchemaCheck | None:
    """What is wrong with a result of that agent type; None when it may hand over anything.

    Raises `ConfigError`.
    """
    from abathur.domain.specs import resolve_agent
    from abathur.infrastructure.definitions import read_definitions
    from abathur.infrastructure.schemas import compiled

    definitions = read_definitions(project.root).by_name
    schema = resolve_agent(project.settings, definitions, agent_type).settings.get("result_schema")
    return compiled(schema) if isinstance(schema, Mapping) else None


def declare_busy(project: Project, run: RunKey, seconds: int) -> None:
    """Say for a run of this host that it will be silent. Raises `NotFoundError`, `OSError`."""
    scratch = project.folder / "runs" / run.task_id / str(run.attempt) / "scratch"
    if not scratch.is_dir():
        raise NotFoundError("this run is on another host, which can't be told from here")
    draft = scratch / ".busy"
    draft.write_text(f"{seconds}s", encoding="utf-8")
    draft.replace(scratch / "busy")


def show_life(project: Project, run: RunKey, now: datetime) -> None:
    """Let a word of the agent count for as long as silence may last, as far as it is of this host.

    What was declared for longer stays. Raises `OSError`.
    """
    from abathur.infrastructure.evidence import declared_until

    seconds = math.ceil(project.settings.silence.after_seconds)
    scratch = project.folder / "runs" / run.task_id / str(run.attempt) / "scratch"
    declared = declared_until(scratch / "busy")
    is_longer = declared is not None and declared > now + timedelta(seconds=seconds)
    if not is_longer and seconds and scratch.is_dir():
        declare_busy(project, run, seconds)


@asynccontextmanager
async def opened(project: Project) -> AsyncIterator[Database]:
    async with bootstrap.open_database(project) as db:
        yield db


@contextmanager
def announced(project: Project, url: str, worker: str | None) -> Iterator[None]:
    """While it is open, others on this host find the server."""
    from abathur.infrastructure import hosts, process_times, server_files

    pid = os.getpid()
    running = server_files.Running(
        url=url,
        pid=pid,
        pid_started_at=process_times.started_at(pid) or 0.0,
        started_at=datetime.fromtimestamp(time.time(), UTC).isoformat(),
        host=hosts.host_name(),
        worker=worker,
    )
    file = server_files.announce(project.folder, running)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


@contextmanager
def call_log(project: Project) -> Iterator[Callable[[str], None]]:
    """Takes a line for each call, without what was said in it."""
    import logging

    from abathur.infrastructure.clock import SystemClock
    from abathur.infrastructure.event_log import MEGABYTE, LogLine, open_event_log

    redactor, clock, settings = safeguards.redactor(), SystemClock(), project.settings

    def told(line: str) -> LogLine:
        text = redactor.text(" ".join(line.split())[:2000])
        return LogLine(time=clock.now(), level=logging.INFO, event="mcp_call", text=text)

    with open_event_log(
        project.folder / "logs" / "mcp.log",
        level="INFO",
        form=settings.log_format,
        max_bytes=settings.log_max_mb * MEGABYTE,
        kept=settings.log_kept,
    ) as write:
        yield lambda line: write(told(line))
