"""`abathur loop start` and `stop`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from abathur import bootstrap
from abathur.bootstrap.loops import typed_loop
from abathur.cli import context, output
from abathur.cli.context import json_option
from abathur.cli.loop_shapes import loop_shape
from abathur.cli.strangers import warn_of_strangers
from abathur.cli.task.ids import id_argument
from abathur.cli.text import short
from abathur.domain.loops.specs import Otherwise

if TYPE_CHECKING:
    from abathur.ports.stores import Stores
    from abathur.services.looping import LoopView


@click.command()
@id_argument(metavar="TASK")
@click.argument("spec", metavar="SPEC")
@json_option
def start(task_id: str, spec: str, as_json: bool) -> None:
    """Give a task that isn't running a loop; one that it has is replaced, its history stays.

    SPEC is the name of a loop of the configuration, @FILE, or YAML or JSON:

    \b
        abathur loop start 0198 '{passes: make test, max_iterations: 5}'
    """
    project = context.project()
    data = typed_loop(project, spec)
    warn_of_strangers(project, (), [data])
    found = context.write(_start, task_id, data)
    if as_json:
        output.write_json(loop_shape(found))
        return
    most = found.spec.max_iterations
    output.say(f"{short(found.task.id)} is refined over at most {most} iterations.")


def _start(stores: Stores, text: str, data: dict[str, Any]) -> LoopView:
    from abathur.services import looping
    from abathur.services.reading import get_task

    task = get_task(stores, text)
    return looping.start(stores, task.id, data, now=context.now(), actor=bootstrap.actor())


@click.command()
@id_argument(metavar="TASK")
@click.option(
    "--then",
    type=click.Choice([one.value for one in Otherwise]),
    help="What becomes of the best iteration: ask a person, land it, or fail.  "
    "[default: as the loop says]",
)
@json_option
def stop(task_id: str, then: str | None, as_json: bool) -> None:
    """Let no further iteration begin. One that runs goes on to its end and counts.

    Where nothing was measured yet, one iteration is made, as there would be nothing to decide on.
    """
    found = context.write(_stop, task_id, then)
    if as_json:
        output.write_json(loop_shape(found))
        return
    done = len(found.measured)
    output.say(f"The loop of {short(found.task.id)} ends after {done} measured iterations.")


def _stop(stores: Stores, text: str, then: str | None) -> LoopView:
    from abathur.services import looping
    from abathur.services.reading import get_task

    task = get_task(stores, text)
    wanted = Otherwise(then) if then else None
    return looping.stop(stores, task, wanted, now=context.now(), actor=bootstrap.actor())
