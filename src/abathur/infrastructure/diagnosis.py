"""Finding the facts for `abathur doctor`. Nothing here changes anything."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from abathur.domain.agents import AgentSpec
from abathur.domain.errors import AbathurError, GitError, ProtectedTargetError
from abathur.domain.protection import check_target
from abathur.domain.run_specs import run_spec
from abathur.domain.runs import Command
from abathur.domain.settings import Settings
from abathur.domain.specs import resolve_agent
from abathur.domain.tasks import DEFAULT_AGENT_TYPE
from abathur.infrastructure.runtimes import support
from abathur.ports.diagnosis import Machine, Program, Target
from abathur.ports.repository import Repository

VERSION_SECONDS: Final = 10.0
"""Some agent programs take seconds to start."""
OWN_PROGRAMS: Final = frozenset({"command"})
"""Runtimes whose program is the project's own: asking it for a version could do anything."""
_NUMBER: Final = re.compile(r"\d+(?:\.\d+)+[\w.+-]*")


class _AnyInput(dict[str, Any]):
    """Input data of a task that isn't there yet: each key stands for itself, as `{input.KEY}`."""

    def get(self, key: str, default: Any = None) -> Any:
        return f"{{input.{key}}}"


async def machine(folder: Path) -> Machine:
    from abathur.infrastructure.database.engines import sqlite, sqlite_gate

    return Machine(
        python=tuple(sys.version_info[:3]),
        sqlite=sqlite.VERSION,
        sqlite_problem=sqlite_gate.version_problem(sqlite.VERSION),
        git=await _git_version(),
        free_bytes=_free_bytes(folder),
    )


async def _git_version() -> str | None:
    from abathur.infrastructure.git.commands import Git

    try:
        result = await Git(Path("/")).run("version")
    except GitError:
        return None
    return _number(result.text) or result.text


def _number(text: str) -> str | None:
    found = _NUMBER.search(text)
    return found[0] if found else None


def _free_bytes(folder: Path) -> int | None:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def definition_problems(root: Path) -> tuple[str, ...]:
    """Lines like `FILE:LINE: ...` about agent definitions that can't be used."""
    from abathur.infrastructure.definitions import read_definitions

    return read_definitions(root).problems


async def programs(
    root: Path, settings: Settings, wanted: Iterable[str], *, may_run: bool
) -> Sequence[Program]:
    """For each agent type that is configured, defined or wanted; the default one at least.

    Without `may_run` none is asked for its version.
    """
    from abathur.infrastructure.definitions import read_definitions

    known = read_definitions(root).by_name
    names = sorted({DEFAULT_AGENT_TYPE, *settings.agents, *known, *wanted})
    versions: dict[str, str | None] | None = {} if may_run else None
    found = []
    for name in names:
        try:
            spec = resolve_agent(settings, known, name)
            found.append(await _program(root, spec, versions))
        except AbathurError as error:
            found.append(Program(agent_type=name, runtime="", problem=str(error)))
    return found


def problem_of(root: Path, settings: Settings, agent_type: str) -> str | None:
    """Why agents of this type can't be run here. Looks only, starts nothing."""
    from abathur.infrastructure.definitions import read_definitions

    try:
        spec = resolve_agent(settings, read_definitions(root).by_name, agent_type)
        return _missing(_asked_for(_command(root, spec)))
    except AbathurError as error:
        return str(error)


def _asked_for(command: Command) -> str:
    return command.behind or command.argv[0]


def _missing(program: str) -> str | None:
    is_known = Path(program).is_absolute() and "{input." not in program
    if is_known and not os.access(program, os.X_OK):
        return f"program `{program}` doesn't exist or can't be executed; install or correct it"
    return None


async def _program(root: Path, spec: AgentSpec, versions: dict[str, str | None] | None) -> Program:
    try:
        command = _command(root, spec)
    except AbathurError as error:
        return Program(agent_type=spec.agent_type, runtime=spec.runtime, problem=str(error))
    name = _asked_for(command)
    problem = _missing(name)
    if problem is not None:
        return Program(agent_type=spec.agent_type, runtime=spec.runtime, problem=problem)
    version, doubt = None, ""
    if versions is not None and spec.runtime not in OWN_PROGRAMS and not command.behind:
        if name not in versions:
            versions[name] = await _version(command)
        version = versions[name]
        doubt = support.doubt(spec.runtime, name, version)
    return Program(
        agent_type=spec.agent_type,
        runtime=spec.runtime,
        program=name,
        version=version or None,
        support=support.told(spec.runtime, version),
        doubt=doubt,
    )


def _command(root: Path, spec: AgentSpec) -> Command:
    from abathur.infrastructure.runtimes import load_runtime

    run = run_spec(
        spec,
        root,
        task_id=str(UUID(int=0)),
        attempt=1,
        prompt="",
        worktree=root,
        scratch=root,
        session_id=str(UUID(int=0)),
        input_data=_AnyInput(),
    )
    return load_runtime(spec.runtime).command(run)


async def _version(command: Command) -> str | None:
    """What `PROGRAM --version` tells; empty when that is none, None when it isn't told in time."""
    from abathur.infrastructure.processes import SystemProcesses
    from abathur.ports.processes import Launch

    lines: list[str] = []
    asked = Command(argv=(command.argv[0], "--version"), env=command.env, pass_env=command.pass_env)
    with tempfile.TemporaryDirectory(prefix="abathur-doctor-") as folder:
        launch = Launch(
            command=asked,
            cwd=Path(folder),
            transcript=Path(folder, "version"),
            tags={"ABATHUR_DOCTOR": folder},
            env={},
            timeout_seconds=VERSION_SECONDS,
            grace_seconds=0.5,
        )
        try:
            end = await SystemProcesses().run(
                launch, on_started=lambda _: None, on_line=lines.append, stop=asyncio.Event()
            )
        except AbathurError:
            return ""
    if end.timed_out:
        return None
    return (_number(" ".join(lines[:3])) if end.code == 0 else None) or ""


async def target(repository: Repository, settings: Settings) -> Target:
    branch = settings.target_branch or await repository.current_branch()
    tip = await repository.resolve(f"refs/heads/{branch}") if branch else None
    if branch is None or tip is None:
        return Target(branch=branch)
    checkouts = await repository.checkouts(branch, tip)
    dirty = tuple(place.path for place in checkouts if place.is_dirty)
    return Target(branch=branch, exists=True, dirty=dirty, closed=_closed(settings, branch))


def _closed(settings: Settings, branch: str) -> str:
    try:
        check_target(settings, branch)
    except ProtectedTargetError as error:
        return str(error)
    return ""


def worktrees(folder: Path) -> Sequence[Path]:
    """The folders that attempts have worked in and that are still there."""
    place = folder / "worktrees"
    return sorted(path for path in place.iterdir() if path.is_dir()) if place.is_dir() else []
