"""The one place that knows both sides: it builds what a front door asks for, and only that.

Imports are inside the functions, so that a command pays only for what it uses.
"""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from abathur import safeguards
from abathur.domain.errors import AgentUnavailableError, NotFoundError
from abathur.domain.settings import Settings

if TYPE_CHECKING:
    from abathur.domain.admission import AdmissionRules
    from abathur.domain.agents import AgentSpec, Worker
    from abathur.domain.plans import Plan
    from abathur.domain.problems import Problem
    from abathur.domain.specs import AgentDefinition
    from abathur.infrastructure.database import Database
    from abathur.ports.diagnosis import Machine, Program, Target
    from abathur.ports.moving import Copied, Upgrade
    from abathur.ports.repository import Repository
    from abathur.ports.restoring import Prepared, Recovered
    from abathur.swarm.events import Sink, SwarmEvent
    from abathur.swarm.parts import Parts
    from abathur.swarm.supervisor import Supervisor

FOLDER = ".abathur"


@dataclass(frozen=True, slots=True)
class Project:
    """A git repository with an Abathur queue in it."""

    root: Path
    settings: Settings
    database: Path | str
    """The file, or the URL of a database on a server."""

    @property
    def file(self) -> Path:
        """The database's file, no link to it. Raises `DatabaseError` when it is on a server."""
        if isinstance(self.database, Path):
            # What belongs to the file, and takes its place, is beside the file.
            return self.database.resolve()
        from abathur.domain.errors import DatabaseError
        from abathur.infrastructure.database.opening import name_of

        raise DatabaseError(
            f"`{name_of(self.database)}` is on a server, and this is for files; use PostgreSQL's "
            "own pg_dump and pg_restore"
        )

    @property
    def folder(self) -> Path:
        return self.root / FOLDER


def find_root(start: Path) -> Path:
    """The nearest folder at or above `start` that is a project of ours.

    An agent's worktree has the project's `.abathur` files in it when they are committed, but the
    project is the one that the worktree belongs to. Raises `NotFoundError`.
    """
    for place in (start, *start.parents):
        if (place / FOLDER).is_dir() and not _is_agents_worktree(place):
            return place
    raise NotFoundError(
        f"no Abathur project at or above {start}; run `abathur init` in a git repository first"
    )


def _is_agents_worktree(place: Path) -> bool:
    return place.parts[-3:-1] == (FOLDER, "worktrees")


def load_project(
    start: Path,
    overrides: Mapping[str, object] | None = None,
    *,
    database: Path | str | None = None,
    env: Mapping[str, str] | None = None,
) -> Project:
    """Find the project and read its configuration. Raises `NotFoundError`, `ConfigError`."""
    from abathur.infrastructure.config import load_settings

    environment = os.environ if env is None else env
    root = find_root(start.resolve())
    settings = load_settings(root, environment, overrides or {})
    if database is None:
        safeguards.check_place(root, settings, environment)
    return Project(root, settings, database or _place(root, settings.database))


def find_database(root: Path) -> Path | str:
    """Where the project of this folder has its queue, without reading its other settings.

    Raises `ConfigError`.
    """
    from abathur.infrastructure.config_database import configured_database

    named = configured_database(root, os.environ)
    if isinstance(named, Settings):
        safeguards.check_place(root, named, os.environ)
        named = named.database
    return _place(root, named)


def _place(root: Path, named: str | None) -> Path | str:
    if named is None:
        return root / FOLDER / "abathur.db"
    return named if "://" in named else root / Path(named).expanduser()


def is_missing(database: Path | str) -> bool:
    """Whether opening would make it. One on a server is there, or can't be opened."""
    return isinstance(database, Path) and not database.is_file()


@asynccontextmanager
async def open_database(project: Project, *, may_migrate: bool = False) -> AsyncIterator[Database]:
    """The project's database, initialized; closed at the end. Raises `DatabaseError`.

    `may_migrate` lets it change the schema of a database on a server.
    """
    from abathur.infrastructure.database import Database

    db = Database(project.database, may_migrate=may_migrate)
    try:
        await db.initialize()
        yield db
    finally:
        await db.close()


@contextmanager
def prepared_restore(project: Project, backup: Path) -> Iterator[Prepared]:
    """A verified copy of the backup beside the database. Raises `DatabaseError`, `NotFoundError`"""
    from abathur.infrastructure.database.restoring import prepared

    with prepared(project.file, backup) as found:
        yield found


def restore(found: Prepared, now: datetime) -> Path | None:
    """Put it in place; where the database that was there is kept. Raises `DatabaseError`."""
    from abathur.infrastructure.database.restoring import put_in_place

    return put_in_place(found, aside(found.database, "before-restore", now))


def recover(source: Path, target: Path) -> Recovered:
    """Write all that can be read of a damaged file into a new one. Raises `DatabaseError`."""
    from abathur.infrastructure.database.recovery.recover import recover as recover_file

    return recover_file(source, target)


def aside(database: Path, why: str, now: datetime) -> Path:
    """A dated name beside the database for what it holds at this moment."""
    return database.with_name(f"{database.name}.{now:%Y%m%dT%H%M%S%f}Z.{why}.bak")


def copies_aside(database: Path, why: str) -> Sequence[Path]:
    """Files that `aside` named, the newest last."""
    return sorted(database.parent.glob(f"{database.name}.*Z.{why}.bak"))


def users_of(file: Path) -> Sequence[int]:
    """Ids of other processes that have the file open, as far as the system tells."""
    from abathur.infrastructure.hosts import users_of as find

    return find(file)


def log_problems(project: Project) -> Sequence[Problem]:
    """Commits in the write-ahead log that can't be read. Ask before the database is opened."""
    from abathur.infrastructure.database.engines.sqlite_log import problems

    return problems(project.file) if isinstance(project.database, Path) else []


async def planned_upgrade(project: Project) -> Upgrade:
    """What opening the database would do to its tables. No file is made or changed."""
    from abathur.infrastructure.database import Database

    return await Database(project.database).planned_upgrade()


def copy_database(source: str, target: str, now: datetime) -> Copied:
    """Everything from one database into another, given by their places; blocks.

    Raises `SwarmError` while a swarm works on the source, `InvalidInputError` when the target has
    rows, and what the databases raise; then the target is as it was.
    """
    from abathur.infrastructure.database.copying import bulk, copy
    from abathur.infrastructure.hosts import is_alive

    return copy(bulk(source), bulk(target), is_alive, now)


async def open_repository(root: Path) -> Repository:
    """Raises `NotARepositoryError`, `GitError`."""
    from abathur.infrastructure.git.repository import open_repository as open_git

    return await open_git(root)


def new_id() -> str:
    """A new task or record id: a UUID whose order is that of time, distinct by its millisecond."""
    from abathur.infrastructure.ids import new_id as make

    return make()


def worker_is_alive(worker: Worker) -> bool | None:
    """Whether the worker's process lives; None when it is on another host."""
    from abathur.infrastructure.hosts import is_alive

    return is_alive(worker)


def unknown_agents(project: Project, agent_types: Iterable[str]) -> list[str]:
    """Those of the agent types that neither the configuration nor a definition names."""
    from abathur.domain.tasks import DEFAULT_AGENT_TYPE

    unknown = {*agent_types} - {DEFAULT_AGENT_TYPE, *project.settings.agents}
    if not unknown:  # then the definitions needn't be read
        return []
    from abathur.infrastructure.definitions import read_definitions

    return sorted(unknown - read_definitions(project.root).by_name.keys())


async def build_supervisor(
    project: Project,
    db: Database,
    sink: Sink,
    *,
    is_own: bool = False,
    into: Callable[[Parts], Parts] | None = None,
) -> Supervisor:
    """A supervisor for the project, not started. Raises what its parts raise.

    `is_own` is for a repository that this program has made itself; any other has to be trusted,
    or `UntrustedError` is raised. `into` may put something before the parts, to watch or to hinder
    them.
    """
    if not is_own:
        safeguards.require_trust(project.root)
    if problem := await safeguards.sandbox_problem(project.settings):
        raise AgentUnavailableError(problem)
    import random

    from abathur.domain.specs import resolve_agent
    from abathur.infrastructure import hosts, warden
    from abathur.infrastructure.definitions import read_definitions
    from abathur.infrastructure.evidence import SystemEvidence
    from abathur.infrastructure.git.repository import open_repository as open_git
    from abathur.infrastructure.processes import SystemProcesses, prefer_handles
    from abathur.infrastructure.runtimes import load_runtime
    from abathur.infrastructure.secrets import redactor_for
    from abathur.infrastructure.spool import FolderSpool
    from abathur.swarm.events import SwarmEvent, SwarmEventKind
    from abathur.swarm.parts import GIT_TAG, LONGEST_GRACE_SHARE, Parts
    from abathur.swarm.supervisor import Supervisor

    prefer_handles()
    settings = project.settings
    definitions = read_definitions(project.root).by_name

    def guard(tags: Mapping[str, str]) -> warden.Guard:
        def tell(text: str) -> None:
            sink(SwarmEvent(kind=SwarmEventKind.WARNING, at=clock.now(), text=text))

        return warden.Guard(tags, min(settings.swarm.grace_seconds, longest_grace), tell)

    clock = db.clock()
    longest_grace = settings.swarm.lease_seconds * LONGEST_GRACE_SHARE
    worker_id, redactor = new_id(), redactor_for(settings)
    parts = Parts(
        worker_id=worker_id,
        db=db,
        repository=await open_git(project.root, tags={GIT_TAG: worker_id}),
        processes=SystemProcesses(redactor),
        open_wakeups=db.wakeups,
        clock=clock,
        evidence=SystemEvidence(),
        spool=FolderSpool(project.folder / "spool"),
        settings=settings,
        host=hosts.host_name(),
        folder=project.folder,
        resolve_agent=lambda agent_type: resolve_agent(settings, definitions, agent_type),
        load_runtime=load_runtime,
        new_id=new_id,
        redactor=redactor,
        chance=random.random,
        guard=guard,
    )
    return Supervisor(into(parts) if into else parts, safeguards.redacting(sink, redactor))


def agent_problem(project: Project, agent_type: str) -> str | None:
    """Why agents of this type can't be run here; None when nothing is known to be in the way."""
    from abathur.infrastructure.diagnosis import problem_of

    return problem_of(project.root, project.settings, agent_type)


def admission_rules(project: Project) -> AdmissionRules:
    """By which tasks would be claimed on this host."""
    from abathur.domain.specs import resolve_agent
    from abathur.infrastructure.definitions import read_definitions
    from abathur.infrastructure.hosts import host_name
    from abathur.swarm.admission import rules_of

    settings = project.settings
    found: list[Mapping[str, AgentDefinition]] = []

    def resolve(agent_type: str) -> AgentSpec:
        if not found:  # only when a limit or a budget asks for it
            found.append(read_definitions(project.root).by_name)
        return resolve_agent(settings, found[0], agent_type)

    return rules_of(settings, host_name(), resolve)


def server_is_ahead(database: Path | str) -> timedelta:
    """By how much the clock of the database's server differs from this machine's.

    Nothing for a file, and when the server can't be asked: opening it will say why.
    """
    if isinstance(database, Path):
        return timedelta(0)
    from abathur.domain.errors import DatabaseError
    from abathur.infrastructure.database.opening import server_is_ahead as ahead

    try:
        return ahead(database)
    except DatabaseError:
        return timedelta(0)


@contextmanager
def logging_sink(project: Project, sink: Sink) -> Iterator[Sink]:
    """The sink, with everything that reaches it written to the project's log file too."""
    import logging

    from abathur.infrastructure.event_log import open_event_log
    from abathur.swarm.events import SwarmEventKind

    levels = {
        SwarmEventKind.AGENT_EVENT: logging.DEBUG,
        SwarmEventKind.WARNING: logging.WARNING,
        SwarmEventKind.NEEDS_PERSON: logging.WARNING,
        SwarmEventKind.TASK_FAILED: logging.WARNING,
    }
    file = project.folder / "logs" / "swarm.log"
    with open_event_log(file, project.settings.log_level) as log:

        def both(event: SwarmEvent) -> None:
            run = f" {event.task_id}/{event.attempt or '-'}" if event.task_id else ""
            line = f"{event.kind}{run} {event.text}".replace("\n", " ")
            log(levels.get(event.kind, logging.INFO), line)
            sink(event)

        yield both


@contextmanager
def notifying_sink(project: Project, sink: Sink) -> Iterator[Sink]:
    """The sink, with a notice for each event that needs a person, as `notices:` wants it.

    An error that ends the swarm is worth one too. To be entered on the swarm's event loop; at its
    end what wasn't sent yet has some seconds. Raises `ConfigError`.
    """
    settings = project.settings.notices
    if not settings.desktop and settings.webhook is None:
        yield sink
        return
    from abathur.infrastructure import notifier
    from abathur.infrastructure.clock import SystemClock
    from abathur.swarm.calling import Caller

    caller = Caller(sink, SystemClock().now, project.root.name, settings.about)
    senders = notifier.senders(settings, os.environ, caller.complain)
    caller.channels = [sender.put for sender in senders]
    try:
        yield caller.sink
    except Exception as error:
        caller.ended_by(error)
        raise
    finally:
        notifier.close(senders)


def actor() -> str:
    """Who acts, for the audit trail, when a person types a command."""
    name = os.environ.get("USER") or os.environ.get("LOGNAME") or "unknown"
    return f"cli:{name}"


def read_plan(path: str, content: str | bytes, now: datetime) -> Plan:
    """The checked plan of a backlog file's text; `-` is standard input. Raises `PlanError`."""
    from abathur.infrastructure.planfile import read_plan as read

    return read(path, content, now)


def make_project_files(root: Path, allowed: str | None = None) -> Sequence[Path]:
    """What was missing of the project's folder and is there now. Raises `OSError`.

    A configuration that is made lets work land on the target `allowed`.
    """
    from abathur.infrastructure.project_files import make_files

    return make_files(root, allowed)


AT_ONCE = signal.SIGUSR1
"""Tells a swarm's process to end its agents without any grace."""


def end_worker(worker: Worker) -> bool:
    """Tell the worker's process on this host to stop at once; False when there is none to tell."""
    if worker_is_alive(worker) is not True:
        return False
    try:
        os.kill(worker.pid, AT_ONCE)
    except (ProcessLookupError, PermissionError):
        return False
    return True


async def machine_facts(folder: Path) -> Machine:
    """The versions of what Abathur stands on, and the room on the folder's disk."""
    from abathur.infrastructure.diagnosis import machine

    return await machine(folder)


async def agent_programs(project: Project, wanted: Iterable[str]) -> Sequence[Program]:
    """What would serve each agent type that is configured, defined or wanted."""
    from abathur.infrastructure.diagnosis import programs

    may_run = not safeguards.find_trust(project.root).asked
    return await programs(project.root, project.settings, wanted, may_run=may_run)


def definition_problems(project: Project) -> tuple[str, ...]:
    """Lines like `FILE:LINE: ...` about agent definitions that can't be used."""
    from abathur.infrastructure.diagnosis import definition_problems as problems

    return problems(project.root)


async def default_target(project: Project, repository: Repository) -> Target:
    """Where work lands that names no target. Raises `GitError`."""
    from abathur.infrastructure.diagnosis import target

    return await target(repository, project.settings)


def worktrees_by_task(project: Project) -> dict[str, Path]:
    """Task -> a folder that one of its attempts worked in and that is still there."""
    from abathur.domain.branches import before_removal, parse_worktree_name

    found: dict[str, Path] = {}
    for path in worktree_folders(project):
        parsed = parse_worktree_name(before_removal(path.name))
        if parsed is not None:
            found[parsed[0]] = path
    return found


def worktree_folders(project: Project) -> Sequence[Path]:
    """The folders that attempts have worked in and that are still there."""
    from abathur.infrastructure.diagnosis import worktrees

    return worktrees(project.folder)
