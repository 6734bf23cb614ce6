"""`abathur audit replay`: the queue as its trail tells it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from abathur.cli import context, output, shapes
from abathur.cli.context import json_option
from abathur.cli.task.ids import id_argument
from abathur.cli.task.listing import EVERYTHING, at_option, write_tasks

if TYPE_CHECKING:
    from datetime import datetime

    from abathur.domain.tasks import Task
    from abathur.ports.stores import Stores


@click.command()
@id_argument("task_ids", nargs=-1, metavar="[ID]...")
@at_option
@json_option
def replay(task_ids: Sequence[str], at: str | None, as_json: bool) -> None:
    """Tell all tasks, or some, from the trail alone, as they are or were. `abathur audit verify`
    compares them with the tables.
    """
    from abathur.domain.times import parse_past

    now = context.now()
    moment = now if at is None else parse_past(at, "at", now)
    tasks = context.read(_tell, task_ids, None if at is None else moment)
    if as_json:
        output.write_json([shapes.task(task) for task in tasks])
    elif tasks:
        write_tasks(tasks, moment)
    else:
        output.say("The trail tells of no task." if at is None else "There was no task then.")


def _tell(stores: Stores, texts: Sequence[str], at: datetime | None) -> list[Task]:
    from abathur.ports.stores import TaskFilter
    from abathur.services.replaying import task_at, tasks_at

    if texts:
        return [task_at(stores, text, at) for text in texts]
    return tasks_at(stores, at, TaskFilter(limit=EVERYTHING))
