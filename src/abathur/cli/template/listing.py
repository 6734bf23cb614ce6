"""`abathur template list`: the templates that come along."""

from __future__ import annotations

import click

from abathur.cli import context, output
from abathur.cli.context import json_option
from abathur.cli.output import Column

TEMPLATES = (
    Column(title="TEMPLATE"),
    Column(title="VERSION"),
    Column(title="FILES", right=True),
    Column(title="DESCRIPTION", flexible=True),
)


@click.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the built-in templates. `abathur init --template` takes folders and git URLs too."""
    from abathur.bootstrap.templates import built_in_templates

    found = context.run(built_in_templates)
    if as_json:
        output.write_json(
            [
                {
                    "name": one.name,
                    "version": one.version,
                    "description": one.description,
                    "files": sorted(one.files),
                }
                for one in found
            ]
        )
    else:
        rows = [[one.name, one.version, str(len(one.files)), one.description] for one in found]
        output.write_table(TEMPLATES, rows)
