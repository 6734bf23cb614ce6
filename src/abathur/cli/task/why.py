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
from abathur.domain.errors import GitError
from abathur.domain.tasks import TaskStatus

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
    if task.status is TaskStatus.COMPLETED:
        explanation = context.run(_compared, task.id, explanation)
    if as_json:
        output.write_json(shapes.explanation(task, explanation))
    else:
        output.write_lines(_lines(task, explanation))


async def _compared(task_id: str, explanation: Explanation) -> Explanation:
    """The explanation of a completed task, unless its target was moved back since."""
    from abathur.domain.explain import no_longer_landed
    from abathur.swarm.reconciler import is_proven

    found = context.queue()
    async with context.opened(found, only_reads=True) as db:
        landings = await db.read(lambda stores: stores.landings.of_task(task_id))
    if not landings or landings[-1].proof is None:
        return explanation
    try:
        repository = await bootstrap.open_repository(found.root)
        is_there = await is_proven(repository, landings[-1])
    except GitError:
        return explanation  # what it was proven by then is told all the same
    return explanation if is_there else no_longer_landed(landings[-1])


def _lines(task: Task, explanation: Explanation) -> list[str]:
    status = paint(task.status.value, status_colour(task.status.value))
    return [
        f"{short(task.id)}  {status}  {clean(task.summary)}",
        "",
        clean(explanation.summary),
        *(f"  - {clean(detail)}" for detail in explanation.details),
        clean(explanation.next_step),
    ]
