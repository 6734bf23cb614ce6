"""`abathur salvage restore`: kept work becomes a branch, and a worktree when asked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from abathur import bootstrap
from abathur.cli import context, output, shapes
from abathur.cli.context import json_option
from abathur.cli.task.ids import complete
from abathur.cli.text import clean, short

if TYPE_CHECKING:
    from abathur.swarm.salvaging import RestoredWork


@click.command()
@click.argument("name", metavar="TASK[/ATTEMPT]", shell_complete=complete)
@click.option(
    "--branch", metavar="NAME", help="Name of the branch.  [default: salvage/TASK-ATTEMPT]"
)
@click.option(
    "--worktree",
    type=click.Path(path_type=Path),
    help="Also check the branch out in a new folder.",
)
@json_option
def restore(name: str, branch: str | None, worktree: Path | None, as_json: bool) -> None:
    """Make a branch of kept work, of the attempt that was kept last unless one is named.

    No branch and no folder is ever overwritten, and the ref stays: nothing is lost by restoring.
    Prints the name of the branch.
    """
    restored = context.run(_restore, name, branch, worktree)
    if as_json:
        output.write_json(shapes.restored_work(restored))
        return
    output.write(clean(restored.branch))
    if restored.worktree is not None:
        output.say(f"It is checked out in {clean(str(restored.worktree))}.")
    elif output.is_terminal():
        output.say(f"`git switch {clean(restored.branch)}` checks it out.")


async def _restore(name: str, branch: str | None, worktree: Path | None) -> RestoredWork:
    from abathur.swarm.salvaging import find_one
    from abathur.swarm.salvaging import restore as restore_work

    project = context.queue()
    repository = await bootstrap.open_repository(project.root)
    async with context.opened(project) as db:
        found = await find_one(db, repository, name)
    chosen = branch or f"salvage/{short(found.task_id or '')}-{found.name}"
    place = None if worktree is None else worktree.absolute()
    return await restore_work(repository, found, chosen, place)
