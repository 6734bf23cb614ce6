"""`abathur agent templates`: what prompts are made of."""

from __future__ import annotations

import click

from abathur import bootstrap
from abathur.cli import output
from abathur.cli.context import app, json_option
from abathur.cli.output import Column
from abathur.cli.shape_fields_agents import PROMPT_TEMPLATE
from abathur.domain.errors import NotFoundError

TEMPLATES = (
    Column(title="TEMPLATE"),
    Column(title="LINES", right=True),
    Column(title="SOURCE", flexible=True),
)
SUFFIX = ".md.j2"


@click.command()
@click.argument("name", required=False)
@json_option
def templates(name: str | None, as_json: bool) -> None:
    """List the templates that prompts are made of, or print one of them.

    A file of the same name in `.abathur/templates` takes the place of a built-in one: print it
    into a file there, and change that.
    """
    from abathur.bootstrap.prompting import prompt_templates

    found = prompt_templates(bootstrap.find_root(app().start.resolve()))
    if name is not None:
        wanted = name if name.endswith(SUFFIX) else f"{name}{SUFFIX}"
        found = [one for one in found if one.name == wanted]
        if not found:
            raise NotFoundError(
                f"no template is called `{name}`; `abathur agent templates` lists them"
            )
    if as_json:
        output.write_json([{key: getattr(one, key) for key in PROMPT_TEMPLATE} for one in found])
    elif name is not None:
        output.write_bytes(found[0].text.encode())
    else:
        rows = [[one.name, str(len(one.text.splitlines())), one.source] for one in found]
        output.write_table(TEMPLATES, rows)
