"""`abathur task candidates`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from abathur.cli import context, output
from abathur.cli.context import json_option
from abathur.cli.loop_shapes import candidates_shape, winner
from abathur.cli.loop_view import unread
from abathur.cli.output import Column
from abathur.cli.task.ids import id_argument
from abathur.cli.text import clean, short
from abathur.domain.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from abathur.domain.iterations import Iteration
    from abathur.domain.runs import Attempt
    from abathur.ports.stores import Stores
    from abathur.services.looping import LoopView

CANDIDATES = (
    Column(title="#", right=True),
    Column(title="ATTEMPT", right=True),
    Column(title="RUNTIME", most=12),
    Column(title="MODEL", most=24),
    Column(title="CHOSEN"),
    Column(title="FOUND", flexible=True),
)


@click.command()
@id_argument(metavar="TASK")
@json_option
def candidates(task_id: str, as_json: bool) -> None:
    """List the candidates that were made for a task, and which one was chosen."""
    found, at_work = context.read(_found, task_id)
    if as_json:
        output.write_json(candidates_shape(found, at_work))
        return
    rows = {one.number: _row(found, one) for one in found.iterations}
    rows |= {number: _at_work(number, one) for number, one in at_work.items()}
    if not rows:
        output.say("No candidate is made yet.")
        return
    output.write_table(CANDIDATES, [rows[number] for number in sorted(rows)])
    if output.is_terminal():
        output.say(
            f"`abathur salvage restore {short(found.task.id)}/ATTEMPT` makes a branch of one."
        )


def _found(stores: Stores, text: str) -> tuple[LoopView, Mapping[int, Attempt]]:
    from abathur.services import joining, looping
    from abathur.services.reading import get_task

    found = looping.view(stores, get_task(stores, text))
    if not found.spec.candidates:
        raise NotFoundError(
            f"task {found.task.id} has a loop and no candidates; see `abathur loop status`"
        )
    made = {one.number for one in found.iterations}
    runs = joining.runs(stores, found)
    return found, {number: one for number, one in runs.items() if number not in made}


def _at_work(number: int, one: Attempt) -> list[str]:
    return [str(number), str(one.number), one.runtime or "-", one.model or "-", "", "is at work"]


def _row(found: LoopView, one: Iteration) -> list[str]:
    return [
        str(one.number),
        str(one.attempt),
        one.runtime or "-",
        one.model or "-",
        "yes" if one.number == winner(found) else "",
        clean(one.reading.text) if one.reading else unread(found, "verified"),
    ]
