"""`abathur salvage list` and `show`: work that was kept without landing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from abathur import bootstrap
from abathur.cli import context, output, shapes
from abathur.cli.context import json_option
from abathur.cli.file_lines import file_line
from abathur.cli.output import Column, status_colour
from abathur.cli.task.ids import complete
from abathur.cli.text import age, clean, local, short

if TYPE_CHECKING:
    from collections.abc import Sequence

    from abathur.ports.repository import ChangedFile
    from abathur.swarm.salvaging import Salvaged

SALVAGED = (
    Column(title="TASK", most=13),
    Column(title="ATTEMPT", right=True),
    Column(title="KIND"),
    Column(title="AGE", right=True),
    Column(title="FILES", right=True),
    Column(title="STATUS", colour=status_colour),
    Column(title="SUBJECT", flexible=True),
)


@click.command("list")
@click.argument("task_id", metavar="[TASK]", required=False, shell_complete=complete)
@json_option
def list_(task_id: str | None, as_json: bool) -> None:
    """List the work that is kept in `refs/abathur/`, of all tasks or of one; oldest first.

    STATUS is that of the task: the work of a completed one has mostly landed in a later attempt.
    """
    found = context.run(_find, task_id)
    if as_json:
        output.write_json([shapes.salvaged(one) for one in found])
    elif found:
        output.write_table(SALVAGED, [_row(one) for one in found])
    else:
        output.say("Nothing is kept: all work has landed.")


def _row(one: Salvaged) -> list[str]:
    attempt = one.name if one.kind == "salvage" else str(one.attempt or "-")
    files = "-" if one.files is None else str(one.files)
    made = age(one.committed_at, context.now())
    task = short(one.task_id or "-")
    return [task, attempt, one.kind, made, files, one.status or "-", one.subject]


@click.command()
@click.argument("name", metavar="TASK[/ATTEMPT]", shell_complete=complete)
@json_option
def show(name: str, as_json: bool) -> None:
    """Show which files a piece of kept work changes, and how to use it."""
    found, files = context.run(_look, name)
    if as_json:
        output.write_json(
            {
                "salvaged": shapes.salvaged(found),
                "files": [shapes.changed_file(one) for one in files],
            }
        )
        return
    output.write_lines(
        [
            output.paint(clean(found.subject), "bold"),
            f"ref      {clean(found.ref)}",
            f"commit   {found.commit}",
            f"made     {local(found.committed_at)}",
            f"changes  {len(files)} {'file' if len(files) == 1 else 'files'}",
            *(f"  {file_line(one)}" for one in files),
            "",
            f"patch:    git diff {found.base or f'{found.commit}^'} {found.commit}",
            f"restore:  abathur salvage restore {short(found.task_id or '')}/{found.name}",
        ]
    )


async def _find(task_id: str | None) -> Sequence[Salvaged]:
    from abathur.swarm.salvaging import find

    project = context.queue()
    repository = await bootstrap.open_repository(project.root)
    async with context.opened(project, only_reads=True) as db:
        return await find(db, repository, task_id)


async def _look(name: str) -> tuple[Salvaged, Sequence[ChangedFile]]:
    from abathur.swarm.salvaging import find_one

    project = context.queue()
    repository = await bootstrap.open_repository(project.root)
    async with context.opened(project, only_reads=True) as db:
        found = await find_one(db, repository, name)
    if found.base is None:
        return found, ()
    return found, await repository.changed_files(found.base, found.commit)
