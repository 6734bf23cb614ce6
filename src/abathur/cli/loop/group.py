"""The table of loop commands."""

from __future__ import annotations

from typing import Final

import click

from abathur.cli.lazy import Commands, LazyGroup

COMMANDS: Final[Commands] = {
    "start": ("abathur.cli.loop.changing:start", "Give a task a loop."),
    "status": ("abathur.cli.loop.status:status", "Show how a loop goes, or which there are."),
    "stop": ("abathur.cli.loop.changing:stop", "Let no further iteration begin."),
}


@click.group(cls=LazyGroup, lazy=COMMANDS)
def loop() -> None:
    """Refine tasks over several iterations until a measurement is good enough."""
