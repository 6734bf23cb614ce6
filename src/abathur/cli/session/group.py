"""The table of session commands."""

from __future__ import annotations

from typing import Final

import click

from abathur.cli.lazy import Commands, LazyGroup

COMMANDS: Final[Commands] = {
    "list": ("abathur.cli.session.commands:list_", "List sessions, the newest first."),
    "show": ("abathur.cli.session.commands:show", "Show a session with its events and tasks."),
    "archive": ("abathur.cli.session.commands:archive", "End a session for good."),
}


@click.group(cls=LazyGroup, lazy=COMMANDS)
def session() -> None:
    """Look at the sessions that agents keep: what happened, and what they remember."""
