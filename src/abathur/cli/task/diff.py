"""`abathur diff`: the work of a task as a patch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from abathur import bootstrap
from abathur.cli import context, output, shapes
from abathur.cli.context import json_option
from abathur.cli.output import paint
from abathur.cli.task.attempts import find_attempt
from abathur.cli.task.ids import id_argument
from abathur.cli.text import clean_block
from abathur.domain.errors import NotFoundError

if TYPE_CHECKING:
    from abathur.domain.landing import Landing
    from abathur.domain.runs import Attempt
    from abathur.ports.repository import Repository
    from abathur.ports.stores import Stores

COLOURS = {"+": "green", "-": "red", "@": "cyan"}
HEADS = ("+++", "---", "diff ", "index ")


@dataclass(frozen=True, slots=True)
class Work:
    attempt: Attempt
    base: str
    head: str
    patch: bytes


@click.command()
@id_argument()
@click.option("--attempt", "number", type=click.IntRange(min=1), help="[default: the newest]")
@json_option
def diff(task_id: str, number: int | None, as_json: bool) -> None:
    """Show the changes that a task made, as a patch against what it started from."""
    work = context.run(_work, task_id, number)
    text = work.patch.decode("utf-8", errors="replace")
    if as_json:
        output.write_json(shapes.diff(work.attempt, work.base, work.head, text))
    elif output.is_terminal():
        output.write_lines([_coloured(line) for line in clean_block(text.rstrip("\n"))])
    else:
        output.write_bytes(work.patch)
    if not work.patch:
        output.say(f"Attempt {work.attempt.number} changed nothing.")


async def _work(text: str, number: int | None) -> Work:
    project = context.queue()
    async with context.opened(project, only_reads=True) as db:
        attempt = await db.read(find_attempt, text, number)
        wanted = None if number else await db.read(_landing, attempt)
    repository = await bootstrap.open_repository(project.root)
    if wanted is not None:
        base: str | None = wanted.base_commit
        head: str | None = wanted.work_commit
    else:
        base, head = attempt.base_commit, await _head(repository, attempt)
    if base is None or head is None:
        raise NotFoundError(
            f"attempt {attempt.number} of task {attempt.task_id} has left no work yet; "
            f"`abathur logs {attempt.task_id}` shows what it does"
        )
    return Work(attempt, base, head, await repository.diff(base, head))


def _landing(stores: Stores, attempt: Attempt) -> Landing | None:
    """What the attempt asks to land; of a loop that may be the work of an earlier one."""
    found = stores.landings.of_task(attempt.task_id)
    return next((one for one in found if one.attempt == attempt.number), None)


async def _head(repository: Repository, attempt: Attempt) -> str | None:
    """What the agent left; while it works, what it has committed so far."""
    for revision in (attempt.head_commit, attempt.salvage_ref, attempt.branch):
        commit = await repository.resolve(revision) if revision else None
        if commit is not None:
            return commit
    return None


def _coloured(line: str) -> str:
    return paint(line, "bold" if line.startswith(HEADS) else COLOURS.get(line[:1]))
