"""`abathur task budget`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from abathur import bootstrap
from abathur.cli import context, output
from abathur.cli.context import json_option
from abathur.cli.task.ids import id_argument
from abathur.cli.text import short
from abathur.domain.errors import InvalidInputError

if TYPE_CHECKING:
    from datetime import datetime

    from abathur.domain.tasks import Task
    from abathur.ports.stores import Stores


@click.command()
@id_argument()
@click.argument("amount", metavar="USD|none")
@json_option
def budget(task_id: str, amount: str, as_json: bool) -> None:
    """Say what a task may cost, all its attempts together; `none` leaves it to the settings.

    A task that is held for its budget goes on when there is room again.
    """
    usd = _dollars(amount)
    task = context.write(_set, task_id, usd, context.now(), bootstrap.actor())
    if as_json:
        output.write_json({"task_id": task.id, "budget_usd": usd})
        return
    limit = "the budget of the settings" if usd is None else f"${usd:.2f}"
    output.say(f"{short(task.id)} may cost {limit}.")


def _dollars(text: str) -> float | None:
    if text.strip().lower() == "none":
        return None
    try:
        usd = float(text.strip().removeprefix("$"))
    except ValueError:
        usd = -1.0
    if not 0 <= usd <= 1e9:
        raise InvalidInputError(f"budget: `{text}` is no amount; write dollars, like 2.50, or none")
    return usd


def _set(stores: Stores, text: str, usd: float | None, now: datetime, actor: str) -> Task:
    from abathur.services.budgeting import set_task_budget
    from abathur.services.reading import get_task

    task = get_task(stores, text)
    set_task_budget(stores, task.id, usd, now=now, actor=actor)
    return task
