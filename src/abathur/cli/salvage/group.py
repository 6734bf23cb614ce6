"""The table of salvage commands."""

from __future__ import annotations

from typing import Final

import click

from abathur.cli.lazy import Commands, LazyGroup

COMMANDS: Final[Commands] = {
    "list": ("abathur.cli.salvage.listing:list_", "List work that was kept without landing."),
    "show": ("abathur.cli.salvage.listing:show", "Show what one piece of work changes."),
    "restore": ("abathur.cli.salvage.restore:restore", "Make a branch of it."),
}


@click.group(cls=LazyGroup, lazy=COMMANDS)
def salvage() -> None:
    """Find and restore work that was kept without landing."""
