"""`abathur template update`: what the template has new."""

from __future__ import annotations

import click

from abathur import bootstrap
from abathur.cli import context, output
from abathur.cli.context import app, json_option
from abathur.cli.template import view
from abathur.cli.text import clean
from abathur.domain.project_templates import Change


@click.command()
@click.argument("ref", required=False)
@click.option(
    "--take",
    multiple=True,
    metavar="PATH",
    help="Take the template's side of this file, though it was changed here; several times.",
)
@click.option("--dry-run", is_flag=True, help="Only show what would be done, with the lines.")
@json_option
def update(ref: str | None, take: tuple[str, ...], dry_run: bool, as_json: bool) -> None:
    """Take over what the template has new, or what it has at REF, a branch or tag.

    Files that you have changed or removed stay as they are; where the template has changed other
    lines of a file, both changes are taken. What the template brings is run only after `abathur
    trust`.
    """
    from abathur.bootstrap.templates import bring, newest

    found = context.run(newest, bootstrap.find_root(app().start.resolve()), ref)
    done = found.steps if dry_run else bring(found, take)
    if as_json:
        output.write_json(view.plain(found, done))
        return
    changed = list(view.lines(done))
    name = clean(f"{found.template.name} {found.template.version}")
    output.write(f"{name}: nothing is new" if not changed else name)
    output.write_lines(changed)
    if dry_run:
        output.write_lines(list(view.diffs(done)))
    elif any(step.change is Change.CONFLICT for step in done):
        output.say(
            "Lines that were changed on both sides stayed yours: `abathur template status --diff` "
            "shows the file, `abathur template update --take PATH` takes the template's side."
        )
