"""`abathur agent list`: the agent types that there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from abathur.cli import context, output
from abathur.cli.context import json_option
from abathur.cli.output import Column
from abathur.cli.shape_fields_agents import AGENT_TYPE
from abathur.cli.text import clean

if TYPE_CHECKING:
    from abathur.bootstrap import Project
    from abathur.domain.agents import AgentSpec

TYPES = (
    Column(title="AGENT TYPE"),
    Column(title="RUNTIME"),
    Column(title="MODEL", most=24),
    Column(title="VERSION"),
    Column(title="DESCRIPTION", flexible=True),
)


@click.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the agent types that a definition or the configuration names.

    Definitions are the files below `.claude/agents` and `.abathur/agents`. One that can't be used
    is told on stderr.
    """
    from abathur.bootstrap import definitions

    project = context.project()
    found = definitions.agent_types(project)
    if as_json:
        output.write_json([plain(project, spec) for spec in found.specs])
    elif found.specs:
        output.write_table(TYPES, [_row(spec) for spec in found.specs])
    else:
        output.say("No agent type is defined; `abathur agent new NAME` writes a definition.")
    for problem in found.problems:
        output.say(clean(problem))


def _row(spec: AgentSpec) -> list[str]:
    version = spec.definition_version or "-"
    return [spec.agent_type, spec.runtime, spec.model or "-", version, spec.description or "-"]


def plain(project: Project, spec: AgentSpec) -> dict[str, Any]:
    source = spec.source.relative_to(project.root) if spec.source else None
    values = {
        "name": spec.agent_type,
        "source": None if source is None else str(source),
        "version": spec.definition_version,
        "tools": list(spec.tools),
    }
    for field in ("runtime", "model", "description"):
        values[field] = getattr(spec, field)
    settings = spec.settings
    return {
        field: values[field] if field in values else _setting(field, settings.get(field), kind)
        for field, (kind, _) in AGENT_TYPE.items()
    }


def _setting(field: str, value: Any, kind: str) -> Any:
    if field == "mcp_servers":
        names = [one if isinstance(one, str) else None for one in value or ()]
        return [name for name in names if name is not None]
    if field == "verify" and value is not None:
        return [value] if isinstance(value, str) else list(value)
    return list(value or ()) if kind.endswith("[]") else value
