"""The table of commands for who develops or tests agents."""

from __future__ import annotations

from typing import Final

import click

from abathur.cli.lazy import Commands, LazyGroup

COMMANDS: Final[Commands] = {
    "model": ("abathur.cli.dev.model:model", "Be a model that plays a script."),
}


@click.group(cls=LazyGroup, lazy=COMMANDS)
def dev() -> None:
    """Try agents without an account."""
