"""`abathur mcp list`, `status` and `logs`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from abathur.cli import context, output, shape_fields_mcp, shapes
from abathur.cli.context import json_option
from abathur.cli.exit_codes import BAD_ANSWER, OK
from abathur.cli.output import Column
from abathur.cli.text import clean

if TYPE_CHECKING:
    from abathur.bootstrap.clients import ServerFacts

BAD: frozenset[str | None] = frozenset({"silent", "missing"})


@click.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the servers that run here, and those that .mcp.json names for agents."""
    from abathur.bootstrap.clients import servers

    _show(servers(context.queue()), as_json, ())


@click.command()
@json_option
def status(as_json: bool) -> int:
    """Ask each server whether it answers; ends with 1 when one doesn't.

    A program of .mcp.json is started for it, and ended again, once you have agreed to what this
    repository's files would run.
    """
    from abathur import safeguards
    from abathur.bootstrap.clients import checked

    project = context.queue()
    found = context.run(checked, project)
    _show(found, as_json, ("state",))
    if any(one.state == "found" for one in found):
        output.say(f"not started: {safeguards.trust_problem(project.root)}")
    return BAD_ANSWER if any(one.state in BAD for one in found) else OK


def _show(found: Sequence[ServerFacts], as_json: bool, more: Sequence[str]) -> None:
    if as_json:
        output.write_json([shapes.pick(shape_fields_mcp.MCP_SERVER, one) for one in found])
        return
    if not found:
        output.say("no server runs here, and no .mcp.json names one")
        return
    columns = ("name", "kind", "source", *more, "address")
    shape = [Column(title=name.upper(), flexible=name == "address") for name in columns]
    output.write_table(
        shape, [[str(getattr(one, name) or "-") for name in columns] for one in found]
    )


@click.command()
@click.option(
    "-n",
    "--lines",
    "count",
    type=click.IntRange(1, 10_000),
    default=50,
    show_default=True,
    help="How many of the last ones.",
)
@json_option
def logs(count: int, as_json: bool) -> None:
    """Show which tools were called last, by whom, and how long each took."""
    from abathur.bootstrap.clients import log_lines

    found = log_lines(context.queue(), count)
    if as_json:
        output.write_json([{"line": line} for line in found])
    elif found:
        output.write_lines([clean(line) for line in found])
    else:
        output.say("no tool was called yet")
