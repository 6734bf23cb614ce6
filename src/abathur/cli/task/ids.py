"""Task ids on the command line, and their completion by the shell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from abathur.cli.text import short

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from abathur.domain.tasks import Task
    from abathur.ports.stores import Stores

SHOWN = 50

F = TypeVar("F", bound=Callable[..., Any])


def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Newest tasks first. A shell shows errors in the middle of the line, so there are none."""
    from click.shell_completion import CompletionItem

    try:
        found = _matching(ctx, incomplete.lower())
    except Exception:
        return []
    return [CompletionItem(short(task.id), help=task.summary) for task in reversed(found)]


def _matching(ctx: click.Context, prefix: str) -> Sequence[Task]:
    from abathur import bootstrap
    from abathur.cli.context import run

    options = ctx.find_root().params
    start: Path = options.get("project") or Path.cwd()
    project = bootstrap.load_project(start, database=options.get("database"))
    if bootstrap.is_missing(project.database):
        return []

    async def ask() -> Sequence[Task]:
        async with bootstrap.open_database(project, only_reads=True) as db:
            return await db.read(_with_prefix, prefix)

    return run(ask)


def _with_prefix(stores: Stores, prefix: str) -> Sequence[Task]:
    from abathur.services.reading import all_tasks

    found = [task for task in all_tasks(stores) if task.id.startswith(prefix)]
    return found[-SHOWN:]


def id_argument(name: str = "task_id", **settings: Any) -> Callable[[F], F]:
    return click.argument(
        name, metavar=settings.pop("metavar", "ID"), shell_complete=complete, **settings
    )
