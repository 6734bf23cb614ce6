"""`abathur agent show`: one agent type."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from abathur import safeguards
from abathur.cli import context, output
from abathur.cli.agent.listing import plain
from abathur.cli.context import json_option
from abathur.cli.output import paint
from abathur.cli.shape_fields_agents import AGENT_TYPE
from abathur.cli.text import clean, clean_block, length, pad

if TYPE_CHECKING:
    from abathur.bootstrap import Project
    from abathur.domain.agents import AgentSpec

LABEL = 14


@click.command()
@click.argument("name", metavar="TYPE")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show all about one agent type: where it comes from, what it may do, its instructions."""
    from abathur.bootstrap import definitions

    project = context.project()
    spec = definitions.agent_type(project, name)
    found = detail(project, spec)
    if as_json:
        output.write_json(found)
    else:
        output.write_lines(list(_lines(found)))


def detail(project: Project, spec: AgentSpec) -> dict[str, Any]:
    redactor = safeguards.redactor()
    told = plain(project, spec)
    rest = {
        key: value
        for key, value in spec.settings.items()
        if key not in AGENT_TYPE and key not in {"env", "result_schema"}
    }
    text = redactor.text(json.dumps(rest, ensure_ascii=False, default=str))
    return {
        **told,
        "system_prompt": redactor.text(spec.system_prompt),
        "result_schema": spec.settings.get("result_schema"),
        "settings": json.loads(text),
    }


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    yield paint(clean(found["name"]), "bold")
    for field in AGENT_TYPE:
        if field != "name" and (text := _text(field, found[field])):
            yield paint(pad(field.replace("_", " "), LABEL), "dim") + clean(text)
    for field in ("result_schema", "settings"):
        if value := found[field]:
            text = json.dumps(value, indent=2, ensure_ascii=False)
            yield from _block(field.replace("_", " "), text)
    yield from _block("system prompt", found["system_prompt"])


def _text(field: str, value: Any) -> str:
    if value is None or value == []:
        return ""
    if field == "timeout":
        return length(value)
    if field == "budget":
        return f"${value:.2f} a run"
    if field == "verify":
        return " ".join(value)
    return ", ".join(value) if isinstance(value, list) else str(value)


def _block(title: str, text: str) -> Iterator[str]:
    if text:
        yield ""
        yield paint(title, "dim")
        yield from (f"  {line}" for line in clean_block(text))
