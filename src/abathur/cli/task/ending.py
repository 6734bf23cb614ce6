"""`abathur task cancel` and `abathur task retry`: several tasks, all or none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from abathur import bootstrap
from abathur.cli import context, output, shapes
from abathur.cli.context import json_option
from abathur.cli.task.ids import id_argument
from abathur.cli.text import clean, short

if TYPE_CHECKING:
    from datetime import datetime

    from abathur.domain.tasks import Task
    from abathur.ports.stores import Stores


@click.command()
@id_argument("task_ids", nargs=-1, required=True, metavar="ID...")
@click.option("--reason", metavar="TEXT", help="Kept with the task and in the audit trail.")
@json_option
def cancel(task_ids: tuple[str, ...], reason: str | None, as_json: bool) -> None:
    """Cancel tasks and all that waits for them; print the ids of all that were cancelled.

    A task that its loop has split takes its parts along, but for those that
    something else waits for; `task retry` brings them back together. An agent
    that works on one is stopped, and what it made is kept.
    """
    done = context.write(_cancel, task_ids, context.now(), bootstrap.actor(), reason)
    _tell(done, "Cancelled", as_json)
    if not done:
        output.say("Nothing to do: cancelled already.")


@click.command()
@id_argument("task_ids", nargs=-1, required=True, metavar="ID...")
@json_option
def retry(task_ids: tuple[str, ...], as_json: bool) -> None:
    """Queue failed or cancelled tasks again, with what their end had cancelled.

    Prints the ids of all that were queued again.
    """
    _tell(
        context.write(_retry, task_ids, context.now(), bootstrap.actor()), "Queued again", as_json
    )


def _cancel(
    stores: Stores, texts: Sequence[str], now: datetime, actor: str, reason: str | None
) -> Sequence[Task]:
    from abathur.services.cancelling import cancel as cancel_task

    done: list[Task] = []
    for task_id in _resolved(stores, texts):
        done += cancel_task(stores, task_id, now=now, actor=actor, reason=reason)
    return done


def _retry(stores: Stores, texts: Sequence[str], now: datetime, actor: str) -> Sequence[Task]:
    from abathur.services.cancelling import retry as retry_task

    done: dict[str, Task] = {}
    for task_id in _resolved(stores, texts):
        if task_id not in done:  # else an earlier one has brought it back
            revived = retry_task(stores, task_id, now=now, actor=actor)
            done.update((task.id, task) for task in revived)
    return list(done.values())


def _resolved(stores: Stores, texts: Sequence[str]) -> Sequence[str]:
    from abathur.services.reading import resolve_id

    return list(dict.fromkeys(resolve_id(stores, text) for text in texts))


def _tell(done: Sequence[Task], what: str, as_json: bool) -> None:
    if as_json:
        output.write_json([shapes.task(task) for task in done])
        return
    output.write_lines([task.id for task in done])
    if output.is_terminal():
        for task in done:
            output.say(f"{what}: {short(task.id)} ({clean(task.summary)})")
