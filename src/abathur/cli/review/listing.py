"""`abathur review list`: what waits for an answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from abathur.cli import context, output, shapes
from abathur.cli.context import json_option
from abathur.cli.output import Column
from abathur.cli.task.ids import complete
from abathur.cli.text import age, short

if TYPE_CHECKING:
    from abathur.domain.reviews import Review
    from abathur.ports.stores import Stores

REVIEWS = (
    Column(title="REVIEW", most=13),
    Column(title="KIND"),
    Column(title="STATE"),
    Column(title="AGE", right=True),
    Column(title="TASK", most=13),
    Column(title="QUESTION", flexible=True),
)


@click.command("list")
@click.argument("task_id", metavar="[TASK]", required=False, shell_complete=complete)
@click.option("--all", "also_decided", is_flag=True, help="Also those that were answered.")
@json_option
def list_(task_id: str | None, also_decided: bool, as_json: bool) -> None:
    """List what waits for an answer, of all tasks or of one; oldest first."""
    found = context.read(_select, task_id, also_decided)
    if as_json:
        output.write_json([shapes.review(one) for one in found])
    elif found:
        output.write_table(REVIEWS, [row(one) for one in found])
    else:
        output.say("Nothing waits for an answer.")


def _select(stores: Stores, text: str | None, also_decided: bool) -> Sequence[Review]:
    from abathur.services.reading import resolve_id
    from abathur.services.reviewing import select

    task_id = resolve_id(stores, text) if text else None
    return select(stores, task_id=task_id, also_decided=also_decided)


def row(review: Review) -> list[str]:
    asked = age(review.asked_at, context.now())
    return [
        short(review.id),
        review.kind.value,
        review.state.value,
        asked,
        short(review.task_id),
        review.question,
    ]
