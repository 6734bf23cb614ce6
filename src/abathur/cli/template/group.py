"""The table of template commands."""

from __future__ import annotations

from typing import Final

import click

from abathur.cli.lazy import Commands, LazyGroup

COMMANDS: Final[Commands] = {
    "list": ("abathur.cli.template.listing:list_", "List the built-in templates."),
    "status": ("abathur.cli.template.status:status", "Compare the project with its template."),
    "update": ("abathur.cli.template.update:update", "Take over what the template has new."),
}


@click.group(cls=LazyGroup, lazy=COMMANDS)
def template() -> None:
    """See and update the set of agents that a project has taken over."""
