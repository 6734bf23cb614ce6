"""`abathur mcp install`."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

import click

from abathur.cli import context, output
from abathur.cli.context import json_option
from abathur.cli.text import clean_block

if TYPE_CHECKING:
    from abathur.ports.clients import Edit


@click.command()
@click.option(
    "--client",
    type=click.Choice(["claude", "codex", "gemini", "vscode", "cursor"]),
    default="claude",
    show_default=True,
)
@click.option("--only", type=click.Choice(["tasks", "memory"]), help="Offer only these tools.")
@click.option("--dry-run", is_flag=True, help="Show the change and leave the file as it is.")
@json_option
def install(client: str, only: str | None, dry_run: bool, as_json: bool) -> None:
    """Tell a client of this project's server, in the client's own configuration.

    The change is shown; what else stands in the file stays there.
    """
    from abathur.bootstrap.clients import edit_for, save_edit
    from abathur.bootstrap.serving import refuse_agents

    refuse_agents()
    change = edit_for(context.queue().root, client, only)
    if change.changes and not dry_run:
        save_edit(change)
    if as_json:
        told = {
            "client": client,
            "file": str(change.file),
            "changed": change.changes,
            "written": change.changes and not dry_run,
            "diff": _diff(change),
        }
        output.write_json(told)
        return
    if change.changes:
        output.write_lines(clean_block(_diff(change)))
    output.say(_sentence(change, client, dry_run))


def _sentence(change: Edit, client: str, dry_run: bool) -> str:
    if not change.changes:
        return f"{change.file} names the server already"
    if dry_run:
        return f"nothing was written; without --dry-run this goes into {change.file}"
    return f"wrote {change.file}; start {client} again to have it"


def _diff(change: Edit) -> str:
    before, after = change.before.splitlines(), change.after.splitlines()
    lines = difflib.unified_diff(before, after, str(change.file), str(change.file), lineterm="")
    return "\n".join(lines)
