"""`abathur loop status`: the history of a loop as a table and a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from abathur.cli import context, output
from abathur.cli.context import json_option
from abathur.cli.loop_shapes import loop_shape
from abathur.cli.loop_view import LOOPS, line_of, loop_row, unread
from abathur.cli.output import Column, paint
from abathur.cli.task.ids import id_argument
from abathur.cli.text import clean, length

if TYPE_CHECKING:
    from abathur.domain.iterations import Iteration
    from abathur.ports.stores import Stores
    from abathur.services.looping import LoopView

ITERATIONS = (
    Column(title="#", right=True),
    Column(title="ATTEMPT", right=True),
    Column(title="HOW", most=16),
    Column(title="MODEL", most=24),
    Column(title="VALUE", right=True),
    Column(title="MET"),
    Column(title="NEXT"),
    Column(title="MEASURED", flexible=True),
)
LISTED = 1000


@click.command()
@id_argument(metavar="[TASK]", required=False)
@json_option
def status(task_id: str | None, as_json: bool) -> None:
    """Show the iterations of a task's loop; without TASK all loops that haven't ended."""
    found = context.read(_found, task_id)
    if as_json:
        shown = [loop_shape(one) for one in found]
        output.write_json(shown)
    elif task_id is not None:
        output.write_lines(list(_facts(found[0])))
        output.write_table(ITERATIONS, [_row(found[0], one) for one in found[0].iterations])
    elif found:
        output.write_table(LOOPS, [loop_row(one) for one in found])
    else:
        output.say("No loop is under way; `abathur loop start` begins one.")


def _found(stores: Stores, text: str | None) -> Sequence[LoopView]:
    from abathur.services import looping
    from abathur.services.reading import get_task

    if text is not None:
        return [looping.view(stores, get_task(stores, text))]
    return looping.under_way(stores, LISTED)


def _facts(found: LoopView) -> Iterator[str]:
    yield paint(clean(found.task.summary), "bold")
    yield f"task        {found.task.id}"
    yield f"status      {found.task.status}"
    what = "candidates" if found.spec.candidates else "iterations"
    yield f"{what}  {line_of(found)}"
    best = found.best
    if best is not None and best.reading is not None:
        yield f"best        {best.number}: {clean(best.reading.text)}"
    spent = found.spent
    yield f"spent       {length(spent.seconds)}, {spent.tokens} tokens, ${spent.usd:.2f}"
    if found.loop.stop_as is not None:
        by = clean(found.loop.stopped_by or "")
        yield f"stopped     by {by}; then: {found.loop.stop_as}"
    last = found.measured[-1].verdict if found.measured else None
    if last is not None:
        pattern = f" ({last.pattern.replace('_', ' ')})" if last.pattern else ""
        yield f"next        {last.next}{pattern}: {clean(last.why)}"
    yield ""


def _row(found: LoopView, one: Iteration) -> list[str]:
    how = str(one.strategy or "-").replace("_", " ")
    read, verdict = one.reading, one.verdict
    value = "-" if read is None or read.value is None else f"{read.value:g}"
    return [
        str(one.number),
        str(one.attempt),
        how,
        one.model or one.runtime or "-",
        value,
        "-" if read is None else ("yes" if read.is_met else "no"),
        str(verdict.next) if verdict else "-",
        clean(read.text) if read else unread(found, "measured"),
    ]
