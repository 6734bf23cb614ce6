"""The table of document commands."""

from __future__ import annotations

from typing import Final

import click

from abathur.cli.lazy import Commands, LazyGroup

COMMANDS: Final[Commands] = {
    "index": ("abathur.cli.docs.index:index", "Make files searchable, and keep them so."),
    "search": ("abathur.cli.docs.looking:search", "Find a place by file, line and heading."),
    "list": ("abathur.cli.docs.looking:list_", "List what is indexed."),
    "remove": ("abathur.cli.docs.looking:remove", "Take files out of the index."),
}


@click.group(cls=LazyGroup, lazy=COMMANDS)
def docs() -> None:
    """Search the project's documents and source, for people and agents."""
