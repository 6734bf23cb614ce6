"""A supervisor, put together, and who hears its news."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    ExitStack,
    contextmanager,
)
from typing import TYPE_CHECKING

from abathur import safeguards
from abathur.bootstrap import new_id
from abathur.bootstrap.prompting import prompt_writer
from abathur.domain.errors import AgentUnavailableError, ConfigError

if TYPE_CHECKING:
    from abathur.bootstrap import Project
    from abathur.domain.admission import AdmissionRules
    from abathur.domain.agents import AgentSpec
    from abathur.domain.settings import Settings
    from abathur.domain.specs import AgentDefinition
    from abathur.infrastructure.database import Database
    from abathur.ports.clock import Clock
    from abathur.ports.configured import Configuration
    from abathur.ports.vectors import Embedder
    from abathur.swarm.events import Sink, SwarmEvent
    from abathur.swarm.parts import Parts
    from abathur.swarm.supervisor import Supervisor


def configuration_of(project: Project) -> Configuration:
    """What its swarm goes by; the swarm puts others in their place. Raises `ConfigError`."""
    from abathur.infrastructure.definitions import read_definitions
    from abathur.ports.configured import Configuration

    definitions = read_definitions(project.root).by_name
    return Configuration(project.settings, definitions, prompt_writer(project.root))


async def build_supervisor(
    project: Project,
    db: Database,
    sink: Sink,
    *,
    configuration: Configuration | None = None,
    is_own: bool = False,
    into: Callable[[Parts], Parts] | None = None,
) -> Supervisor:
    """A supervisor for the project, not started. Raises what its parts raise.

    `is_own` is for a repository that this program has made itself; any other has to be trusted,
    or `UntrustedError` is raised. Others may go by the `configuration` too, which the swarm changes
    when its files change. `into` may put something before the parts, to watch or to hinder
    them.
    """
    await _require_safety(project, is_own=is_own)
    import random

    from abathur.bootstrap.reloading import ProjectConfiguration
    from abathur.infrastructure import agent_servers, functions, hosts
    from abathur.infrastructure.disk import SystemDisk
    from abathur.infrastructure.evidence import SystemEvidence
    from abathur.infrastructure.git.head import checked_out, lacks_branch
    from abathur.infrastructure.git.repository import open_repository as open_git
    from abathur.infrastructure.processes import SystemProcesses, prefer_handles
    from abathur.infrastructure.runtimes import load_runtime
    from abathur.infrastructure.schemas import compiled
    from abathur.infrastructure.secrets import redactor_for
    from abathur.infrastructure.spool import FolderSpool
    from abathur.infrastructure.timetable import next_time
    from abathur.swarm.parts import GIT_TAG, Parts
    from abathur.swarm.supervisor import Supervisor

    prefer_handles()
    settings = project.settings
    going_by = configuration or configuration_of(project)

    clock, worker_id, redactor = db.clock(), new_id(), redactor_for(settings)
    parts = Parts(
        worker_id=worker_id,
        db=db,
        repository=await open_git(project.root, tags={GIT_TAG: worker_id}),
        processes=SystemProcesses(redactor),
        open_wakeups=db.wakeups,
        clock=clock,
        evidence=SystemEvidence(),
        disk=SystemDisk(project.root, project.folder),
        spool=FolderSpool(project.folder / "spool"),
        configuration=going_by,
        source=ProjectConfiguration(project, is_own),
        host=hosts.host_name(),
        folder=project.folder,
        function_argv=functions.function_argv,
        load_runtime=load_runtime,
        compile_schema=compiled,
        new_id=new_id,
        timetable=next_time,
        checked_out=lambda: checked_out(project.root),
        lacks_branch=lambda branch: lacks_branch(project.root, branch),
        tool_servers=agent_servers.AgentServers(project.root, project.database),
        redactor=redactor,
        chance=random.random,
        guard=_guarding(settings, clock, sink),
        embedder=_embedder(project, clock, sink),
    )
    return Supervisor(into(parts) if into else parts, safeguards.redacting(sink, redactor))


async def _require_safety(project: Project, *, is_own: bool) -> None:
    if not is_own:
        safeguards.require_trust(project.root)
    if problem := await safeguards.sandbox_problem(project.settings):
        raise AgentUnavailableError(problem)


def _embedder(project: Project, clock: Clock, sink: Sink) -> Embedder | None:
    """One that can't be had is told, and done without."""
    from abathur.bootstrap import remembering
    from abathur.domain.errors import EmbeddingError, UntrustedError
    from abathur.swarm.events import SwarmEvent, SwarmEventKind

    try:
        return remembering.embedder(project)
    except (EmbeddingError, UntrustedError) as error:
        text = f"memories are found by their words alone: {error}"
        sink(SwarmEvent(kind=SwarmEventKind.WARNING, at=clock.now(), text=text))
        return None


def _guarding(
    settings: Settings, clock: Clock, sink: Sink
) -> Callable[[Mapping[str, str]], AbstractAsyncContextManager[object]]:
    """Starts the warden, who ends what is tagged when this process dies."""
    from abathur.infrastructure import warden
    from abathur.swarm.events import SwarmEvent, SwarmEventKind
    from abathur.swarm.parts import LONGEST_GRACE_SHARE

    longest_grace = settings.swarm.lease_seconds * LONGEST_GRACE_SHARE

    def tell(text: str) -> None:
        sink(SwarmEvent(kind=SwarmEventKind.WARNING, at=clock.now(), text=text))

    def guard(tags: Mapping[str, str]) -> warden.Guard:
        return warden.Guard(tags, min(settings.swarm.grace_seconds, longest_grace), tell)

    return guard


def admission_rules(project: Project) -> AdmissionRules:
    """By which tasks would be claimed on this host."""
    from abathur.domain.specs import resolve_agent
    from abathur.infrastructure.definitions import read_definitions
    from abathur.infrastructure.git.head import checked_out, lacks_branch
    from abathur.infrastructure.hosts import host_name
    from abathur.swarm.admission import rules_of

    settings = project.settings
    found: list[Mapping[str, AgentDefinition]] = []

    def resolve(agent_type: str) -> AgentSpec:
        if not found:  # only when a limit or a budget asks for it
            found.append(read_definitions(project.root).by_name)
        return resolve_agent(settings, found[0], agent_type)

    def is_missing(branch: str) -> bool:
        return lacks_branch(project.root, branch)

    return rules_of(settings, host_name(), resolve, checked_out(project.root), is_missing)


@contextmanager
def logging_sink(project: Project, sink: Sink, configuration: Configuration) -> Iterator[Sink]:
    """The sink, with everything that reaches it written to the project's log file too."""
    import logging

    from abathur.domain.traces import trace_id
    from abathur.infrastructure.event_log import MEGABYTE, LogLine, open_event_log
    from abathur.swarm.events import SwarmEventKind

    levels = {
        SwarmEventKind.AGENT_EVENT: logging.DEBUG,
        SwarmEventKind.WARNING: logging.WARNING,
        SwarmEventKind.NEEDS_PERSON: logging.WARNING,
        SwarmEventKind.TASK_FAILED: logging.WARNING,
    }

    def told(event: SwarmEvent) -> LogLine:
        return LogLine(
            time=event.at,
            level=levels.get(event.kind, logging.INFO),
            event=event.kind,
            text=event.text,
            task=event.task_id,
            attempt=event.attempt,
            agent_type=event.agent_type,
            target=event.target,
            worker=event.worker_id,
            trace_id=f"{trace_id(event.task_id):032x}" if event.task_id else "",
        )

    def opened(settings: Settings) -> AbstractContextManager[Callable[[LogLine], None]]:
        return open_event_log(
            project.folder / "logs" / "swarm.log",
            level=settings.log_level,
            form=settings.log_format,
            max_bytes=settings.log_max_mb * MEGABYTE,
            kept=settings.log_kept,
        )

    with ExitStack() as stack:
        seen = configuration.settings
        log = stack.enter_context(opened(seen))

        def both(event: SwarmEvent) -> None:
            nonlocal log, seen
            if configuration.settings is not seen:
                seen = configuration.settings
                stack.close()
                log = stack.enter_context(opened(seen))
            log(told(event))
            sink(event)

        yield both


@contextmanager
def notifying_sink(project: Project, sink: Sink, configuration: Configuration) -> Iterator[Sink]:
    """The sink, with a notice for each event that needs a person, as `notices:` wants it.

    An error that ends the swarm is worth one too. To be entered on the swarm's event loop; at its
    end what wasn't sent yet has some seconds. Raises `ConfigError`.
    """
    from abathur.infrastructure import notifier
    from abathur.infrastructure.clock import SystemClock
    from abathur.swarm.calling import Caller

    seen = configuration.settings.notices
    caller = Caller(sink, SystemClock().now, project.root.name)
    senders = notifier.senders(seen, os.environ, caller.complain)
    caller.call_by([sender.put for sender in senders], seen.about)

    def hear(event: SwarmEvent) -> None:
        nonlocal seen, senders
        if configuration.settings.notices != seen:
            seen = configuration.settings.notices
            try:
                fresh = notifier.senders(seen, os.environ, caller.complain)
            except ConfigError as error:
                caller.complain(f"notices stay as they were: {error}")
            else:
                notifier.begin_close(senders)
                senders = fresh
                caller.call_by([sender.put for sender in senders], seen.about)
        caller.sink(event)

    try:
        yield hear
    except Exception as error:
        caller.ended_by(error)
        raise
    finally:
        notifier.close(senders)
