"""`abathur logs`: what an agent said and did, also while it does it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from abathur.cli import context
from abathur.cli.context import json_option
from abathur.cli.task.attempts import find_attempt
from abathur.cli.task.ids import id_argument

if TYPE_CHECKING:
    from abathur.cli.task.log_views import View

SUFFIXES: Final = {"raw": "", "stderr": ".stderr"}


@click.command()
@id_argument()
@click.option("-f", "--follow", "follows", is_flag=True, help="Go on until the task ends.")
@click.option("--attempt", "number", type=click.IntRange(min=1), help="[default: the newest]")
@click.option("--events", "part", flag_value="events", default="events", help="[default]")
@click.option("--raw", "part", flag_value="raw", help="The program's output as it came.")
@click.option("--stderr", "part", flag_value="stderr", help="What it wrote to stderr.")
@json_option
def logs(task_id: str, follows: bool, number: int | None, part: str, as_json: bool) -> None:
    """Show what an agent said and did. With --json each line is an event."""
    if as_json and part != "events":
        raise click.UsageError(f"--json and --{part} exclude each other")
    context.run(_logs, task_id, number, _view(part, as_json, follows), follows)


def _view(part: str, as_json: bool, follows: bool) -> View:
    from abathur.cli.task.log_views import EventView, FileView

    if part == "events":
        return EventView(as_json)
    return FileView(SUFFIXES[part], must_exist=not follows)


async def _logs(text: str, number: int | None, view: View, follows: bool) -> None:
    from abathur.cli.task.log_views import follow, show_once
    from abathur.services.reading import get_task

    async with context.opened(context.queue(), only_reads=not follows) as db:
        if follows:
            await follow(db, await db.read(get_task, text), number, view)
        else:
            await show_once(db, await db.read(find_attempt, text, number), view)
