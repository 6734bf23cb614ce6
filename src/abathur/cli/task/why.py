"""`abathur why`: one command that tells why a task, or the queue, isn't moving."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click

from abathur import bootstrap
from abathur.bootstrap import diagnosis
from abathur.cli import context, output, shapes
from abathur.cli.context import json_option
from abathur.cli.output import paint, status_colour
from abathur.cli.task.ids import id_argument
from abathur.cli.text import clean, short

if TYPE_CHECKING:
    from abathur.domain.explain import Explanation
    from abathur.domain.tasks import Task


@click.command()
@id_argument(required=False, metavar="[ID]")
@json_option
def why(task_id: str | None, as_json: bool) -> None:
    """Say why a task isn't moving, and what to do; without an ID, what holds up the queue."""
    if task_id is None:
        from abathur.cli.queue_view import tell_queue

        tell_queue(as_json)
        return
    from abathur.services.reading import explain_task

    project, rules = context.configured()
    task, explanation = context.read(
        explain_task,
        task_id,
        context.now().astimezone(),
        bootstrap.worker_is_alive,
        rules,
        partial(diagnosis.agent_problem, project),
    )
    if as_json:
        output.write_json(shapes.explanation(task, explanation))
    else:
        output.write_lines(_lines(task, explanation))


def _lines(task: Task, explanation: Explanation) -> list[str]:
    status = paint(task.status.value, status_colour(task.status.value))
    return [
        f"{short(task.id)}  {status}  {clean(task.summary)}",
        "",
        clean(explanation.summary),
        *(f"  - {clean(detail)}" for detail in explanation.details),
        clean(explanation.next_step),
    ]
