"""The one place that knows both sides: it builds what a front door asks for, and only that.

Imports are inside the functions, so that a command pays only for what it uses.
"""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from abathur import safeguards
from abathur.domain.errors import NotFoundError
from abathur.domain.settings import Settings
from abathur.infrastructure import ids

if TYPE_CHECKING:
    from abathur.domain.agents import Worker
    from abathur.domain.plans import Plan
    from abathur.infrastructure.database import Database
    from abathur.ports.repository import Repository

FOLDER = ".abathur"


@dataclass(frozen=True, slots=True)
class Project:
    """A git repository with an Abathur queue in it."""

    root: Path
    settings: Settings
    database: Path | str
    """The file, or the URL of a database on a server."""
    overrides: Mapping[str, object] = field(default_factory=dict)
    """Settings that were given besides the files, as by flags."""
    env: Mapping[str, str] = field(default_factory=lambda: os.environ)
    """The variables that settings come from."""

    @property
    def file(self) -> Path:
        """The database's file, no link to it. Raises `DatabaseError` when it is on a server."""
        if isinstance(self.database, Path):
            # What belongs to the file, and takes its place, is beside the file.
            return self.database.resolve()
        from abathur.domain.errors import DatabaseError
        from abathur.infrastructure.database.opening import name_of

        raise DatabaseError(
            f"`{name_of(self.database)}` is on a server, and this is for files; `abathur db backup`"
            " and `abathur db restore` are for both"
        )

    @property
    def folder(self) -> Path:
        return self.root / FOLDER


def find_root(start: Path) -> Path:
    """The nearest folder at or above `start` that is a project of ours.

    A linked worktree, be it an agent's or a person's, has the project's `.abathur` files in it when
    they are committed, but the project is the one that the worktree belongs to. Raises
    `NotFoundError`.
    """
    for place in (start, *start.parents):
        main = _main_tree(place)
        if main is not None and (main / FOLDER).is_dir():
            return main
        if (place / FOLDER).is_dir() and not _is_agents_worktree(place):
            return place
    for place in (start, *start.parents):
        if _is_left_out(place):
            raise NotFoundError(
                f"the sparse checkout of {place} leaves `.abathur` out; `git sparse-checkout add "
                ".abathur` brings its settings back, but git removes a queue with the folder: then "
                "`abathur db restore BACKUP` brings back a backup"
            )
    raise NotFoundError(
        f"no Abathur project at or above {start}; run `abathur init` in a git repository first"
    )


def _is_left_out(place: Path) -> bool:
    """Whether a sparse checkout has tracked files of ours that aren't there."""
    try:
        is_sparse = (place / ".git" / "info" / "sparse-checkout").is_file()
        return is_sparse and f"{FOLDER}/".encode() in (place / ".git" / "index").read_bytes()
    except OSError:
        return False


def _main_tree(place: Path) -> Path | None:
    """The main working tree, if `place` is the top of a linked one (gitrepository-layout(5))."""
    try:
        record = Path((place / ".git").read_text().removeprefix("gitdir: ").rstrip("\n"))
        common = (place / record / (place / record / "commondir").read_text().strip()).resolve()
    except (OSError, ValueError):
        return None
    return common.parent if common.name == ".git" else None


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
    place = database or _place(root, settings.database)
    return Project(root, settings, place, overrides or {}, environment)


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
async def open_database(
    project: Project, *, may_migrate: bool = False, only_reads: bool = False
) -> AsyncIterator[Database]:
    """The project's database, initialized; closed at the end. Raises `DatabaseError`.

    `may_migrate` lets it change the schema of a database on a server. Who `only_reads` isn't
    refused because a file can't be written.
    """
    from abathur.infrastructure.database import Database

    db = Database(project.database, may_migrate=may_migrate, only_reads=only_reads)
    try:
        await db.initialize()
        yield db
    finally:
        await db.close()


async def open_repository(root: Path) -> Repository:
    """Raises `NotARepositoryError`, `GitError`."""
    from abathur.infrastructure.git.repository import open_repository as open_git

    return await open_git(root)


def new_id() -> str:
    """A new task or record id: a UUID whose order is that of time, distinct by its millisecond."""
    return ids.new_id()


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


def actor() -> str:
    """Who acts, for the audit trail, when a person types a command.

    By the login name, also where cron or a container sets no variable for it; "unknown" is a user
    whom the host has no name for.
    """
    from getpass import getuser

    try:
        return f"cli:{getuser()}"
    except (OSError, KeyError):
        return "cli:unknown"


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


RELOAD = signal.SIGHUP
"""Tells a swarm's process to read its configuration again."""


def end_worker(worker: Worker) -> bool:
    """Tell the worker's process on this host to stop at once; False when there is none to tell."""
    return tell_worker(worker, AT_ONCE)


def tell_worker(worker: Worker, number: signal.Signals) -> bool:
    """Send its process on this host a signal; False when there is none to tell."""
    if worker_is_alive(worker) is not True:
        return False
    try:
        os.kill(worker.pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


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
