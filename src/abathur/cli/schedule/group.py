"""The table of schedule commands."""

from __future__ import annotations

from typing import Final

import click

from abathur.cli.lazy import Commands, LazyGroup

COMMANDS: Final[Commands] = {
    "add": ("abathur.cli.schedule.add:add", "Submit a task again and again, by a cron text."),
    "list": ("abathur.cli.schedule.listing:list_", "List the schedules and their next times."),
    "show": ("abathur.cli.schedule.listing:show", "Show one, with its next times and its task."),
    "pause": ("abathur.cli.schedule.changing:pause", "Let its times pass for now."),
    "resume": ("abathur.cli.schedule.changing:resume", "End its pause."),
    "remove": ("abathur.cli.schedule.changing:remove", "Take it away; its tasks stay."),
    "run": ("abathur.cli.schedule.changing:run", "Submit its task now, besides its times."),
}


@click.group(cls=LazyGroup, lazy=COMMANDS)
def schedule() -> None:
    """Submit tasks at times that come again. A running swarm does it; no cron is needed."""
