"""The agent types of a project, for the front doors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from abathur.domain.agent_stats import AUTO, NOTHING_TO_CHOOSE
from abathur.domain.errors import ConfigError, NotFoundError, RefusedError

if TYPE_CHECKING:
    from abathur.bootstrap import Project
    from abathur.domain.agents import AgentSpec
    from abathur.domain.results import SchemaCheck
    from abathur.domain.specs import AgentDefinition
    from abathur.domain.tasks import NewTask

OWN_SERVERS = frozenset({"abathur-task-queue", "abathur-memory"})


@dataclass(frozen=True, slots=True)
class AgentTypes:
    specs: Sequence[AgentSpec]
    """By name."""
    problems: Sequence[str]
    """Of files that can't be used, one line each."""


def agent_types(project: Project) -> AgentTypes:
    """All that a definition or the configuration names. Raises `ConfigError`."""
    from abathur.domain.specs import resolve_agent
    from abathur.infrastructure.definitions import read_definitions

    read = read_definitions(project.root)
    names = sorted({*read.by_name, *project.settings.agents})
    specs = [resolve_agent(project.settings, read.by_name, name) for name in names]
    return AgentTypes(specs, read.problems)


def agent_type(project: Project, name: str) -> AgentSpec:
    """Raises `NotFoundError`, and `ConfigError` when its file can't be used."""
    found = agent_types(project)
    for spec in found.specs:
        if spec.agent_type == name:
            return spec
    if about := [line for line in found.problems if f"/{name}." in line]:
        raise ConfigError(about[0])
    known = ", ".join(spec.agent_type for spec in found.specs) or "none"
    raise NotFoundError(
        f"no agent type `{name}` is defined or configured (there are: {known}); "
        f"`abathur agent new {name}` writes a definition"
    )


def as_defined(project: Project, tasks: Sequence[NewTask]) -> Sequence[NewTask]:
    """The tasks with what their agent types say of tasks that don't say it themselves.

    Raises `ConfigError`.
    """
    from abathur.domain.tasks import DEFAULT_AGENT_TYPE

    silent = {task.agent_type for task in tasks if not task.touches}
    if not silent - ({DEFAULT_AGENT_TYPE} - project.settings.agents.keys()):
        return tasks
    from abathur.domain.specs import resolve_agent
    from abathur.infrastructure.definitions import read_definitions

    definitions = read_definitions(project.root).by_name
    touches = {
        name: resolve_agent(project.settings, definitions, name).settings.get("touches") or ()
        for name in silent
    }
    return [
        task if task.touches else replace(task, touches=tuple(touches[task.agent_type]))
        for task in tasks
    ]


def check_definitions(project: Project, names: Sequence[str] = ()) -> Sequence[str]:
    """What is wrong, as `FILE:LINE: KEY: ...`; of these agent types, or of all.

    Raises `NotFoundError` for a name that there is not.
    """
    from abathur.infrastructure.definitions import read_definitions

    read = read_definitions(project.root)
    problems = list(read.problems)
    if names:
        found = {name: agent_type(project, name) for name in names}
        problems = []
        chosen = [read.by_name[name] for name in found if name in read.by_name]
    else:
        chosen = list(read.by_name.values())
    for made in chosen:
        problems += _problems_of(project, made)
    for name in sorted(set(names or project.settings.agents) - {made.name for made in chosen}):
        problems += _problems_of_configured(project, name)
    return problems if names else [*problems, *_problems_of_templates(project.root)]


def _problems_of_configured(project: Project, name: str) -> Sequence[str]:
    """Of an agent type without a definition."""
    from abathur.domain.specs import resolve_agent
    from abathur.infrastructure.runtimes import runtime_names

    try:
        spec = resolve_agent(project.settings, {}, name)
    except ConfigError as error:
        return [str(error)]
    where = f"configuration, agents.{name}"
    problems = [f"{where}: {problem}" for problem in _unchoosable(spec)]
    if spec.runtime not in (known := runtime_names()):
        problems.append(
            f"{where}: runtime: `{spec.runtime}` doesn't exist; the known ones are: "
            f"{', '.join(known)}"
        )
    return problems


def _unchoosable(spec: AgentSpec) -> Sequence[str]:
    if spec.model == AUTO and not spec.settings.get("models"):
        return [NOTHING_TO_CHOOSE]
    return []


def _problems_of_templates(root: Path) -> Sequence[str]:
    from abathur.bootstrap.prompting import prompt_writer

    try:
        prompt_writer(root)
    except ConfigError as error:
        return [str(error)]
    return []


def _problems_of(project: Project, made: AgentDefinition) -> Sequence[str]:
    from abathur.domain.specs import resolve_agent
    from abathur.infrastructure.definition_lines import likely_slips, line_of_key
    from abathur.infrastructure.runtimes import runtime_names

    assert made.source is not None
    shown = str(made.source.relative_to(project.root))
    where = line_of_key(made.source, shown)
    problems = [
        f"{where(key)}: {key}: there is no such key; did you mean `{meant}`?"
        for key, meant in likely_slips(made.extras)
    ]
    try:
        spec = resolve_agent(project.settings, {made.name: made}, made.name)
    except ConfigError as error:
        return [*problems, str(error)]
    if spec.runtime not in runtime_names():
        known = ", ".join(runtime_names())
        problems.append(
            f"{where('runtime')}: runtime: `{spec.runtime}` doesn't exist; the known ones are: "
            f"{known}"
        )
    problems += [f"{where('model')}: {problem}" for problem in _unchoosable(spec)]
    wanted = spec.settings.get("mcp_servers") or ()
    missing = [n for n in wanted if isinstance(n, str) and n not in _servers(project.root)]
    if missing and not isinstance(wanted, dict):
        problems.append(
            f"{where('mcp_servers')}: mcp_servers: `{missing[0]}` isn't in .mcp.json; add it there"
        )
    if not spec.system_prompt:
        problems.append(f"{shown}:1: system_prompt: it is empty; write what the agent is to do")
    return problems


def _servers(root: Path) -> frozenset[str]:
    try:
        content = json.loads((root / ".mcp.json").read_bytes())
        return OWN_SERVERS | set(content["mcpServers"])
    except (OSError, ValueError, KeyError, TypeError):
        return OWN_SERVERS


def write_definition(root: Path, name: str, text: str) -> Path:
    """Raises `ConfigError` for a name that no file may have, `RefusedError`, `OSError`."""
    from abathur.domain.specs import check_name
    from abathur.infrastructure import paths

    check_name(name, "agent new")
    folder = paths.agent_folders(root)[-1]
    file = folder / f"{name}.md"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError as error:
        shown = file.relative_to(root)
        raise RefusedError(f"{shown} is there already; edit it, or choose another name") from error
    return file


def result_check(project: Project, name: str) -> SchemaCheck | None:
    """By the schema of the agent type, if it has one. Raises `ConfigError`."""
    from abathur.domain.specs import resolve_agent
    from abathur.infrastructure.definitions import read_definitions
    from abathur.infrastructure.schemas import compiled

    definitions = read_definitions(project.root).by_name
    schema = resolve_agent(project.settings, definitions, name).settings.get("result_schema")
    return compiled(schema) if schema else None
