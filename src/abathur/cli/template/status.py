"""`abathur template status`: the project beside its template."""

from __future__ import annotations

import click

from abathur import bootstrap
from abathur.cli import context, output
from abathur.cli.context import app, json_option
from abathur.cli.template import view
from abathur.cli.text import clean


@click.command()
@click.option("--diff", "with_diff", is_flag=True, help="Show the lines that differ, too.")
@json_option
def status(with_diff: bool, as_json: bool) -> None:
    """Compare the project's files with those that its template has now. Changes nothing."""
    from abathur.bootstrap.templates import newest

    found = context.run(newest, bootstrap.find_root(app().start.resolve()))
    if as_json:
        output.write_json(view.plain(found, found.steps))
        return
    installed = found.installed.version if found.installed else "-"
    new = found.template.version
    state = f"version {installed}" if installed == new else f"version {installed}, now {new}"
    output.write(clean(f"{found.template.name} from {found.template.source}: {state}"))
    output.write_lines(list(view.lines(found.steps, with_same=True)))
    if with_diff:
        output.write_lines(list(view.diffs(found.steps)))
