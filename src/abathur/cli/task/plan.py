"""`abathur task plan`: in what order tasks can run, and which chain decides when all is done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from abathur.cli import context, output, shapes
from abathur.cli.context import json_option
from abathur.cli.task.ids import id_argument

if TYPE_CHECKING:
    from abathur.ports.stores import Stores
    from abathur.services.reading import ExecutionPlan


@click.command()
@id_argument("task_ids", nargs=-1, metavar="[ID...]")
@json_option
def plan(task_ids: tuple[str, ...], as_json: bool) -> None:
    """Show in what order the unfinished tasks can run (or those given).

    Tasks of one batch don't wait for each other. `*` marks the critical path: the chain that takes
    longest. A task without an estimate counts for 10 minutes.
    """
    from abathur.cli.plan_view import execution_lines

    found = context.read(_schedule, task_ids)
    if as_json:
        output.write_json(shapes.execution_plan(found))
    else:
        output.write_lines(execution_lines(found, output.width()))


def _schedule(stores: Stores, texts: Sequence[str]) -> ExecutionPlan:
    from abathur.services.reading import execution_plan, resolve_id

    return execution_plan(stores, {resolve_id(stores, text) for text in texts} or None)
