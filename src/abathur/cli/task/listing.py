"""`abathur task list`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import astuple, dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from abathur.cli import context, output, shapes
from abathur.cli.context import json_option
from abathur.cli.output import Column, status_colour
from abathur.cli.task.ids import complete
from abathur.cli.text import age, short
from abathur.domain.tasks import TaskSource, TaskStatus

if TYPE_CHECKING:
    from datetime import datetime

    from abathur.domain.tasks import Task
    from abathur.ports.stores import Stores, TaskFilter

PAGE = 1000
EVERYTHING = 2**62
HELD = " (held)"

COLUMNS = (
    Column(title="ID", most=13),
    Column(title="STATUS", colour=status_colour),
    Column(title="PRI", right=True),
    Column(title="AGENT", most=16),
    Column(title="SUMMARY", flexible=True),
    Column(title="AGE", right=True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The filters as they were typed. None doesn't ask."""

    status: str | None
    exclude_status: str | None
    agent_type: str | None
    source: str | None
    target: str | None
    search: str | None
    parent: str | None
    limit: int | None
    at: str | None


at_option = click.option(
    "--at", metavar="TIME", help="As it was then: 2030-01-31T18:00:00Z, or `2h ago`."
)

_STATUSES = click.Choice([status.value for status in TaskStatus])


@click.command("list")
@click.option("--status", type=_STATUSES, help="Only tasks with this status.")
@click.option("--exclude-status", type=_STATUSES, help="Only tasks with another status.")
@click.option("--agent-type", metavar="NAME", help="Only tasks for this kind of agent.")
@click.option("--source", type=click.Choice([source.value for source in TaskSource]))
@click.option("--target", metavar="BRANCH", help="Only tasks that land on this branch.")
@click.option("--search", metavar="TEXT", help="Only tasks with this in summary or prompt.")
@click.option("--parent", metavar="ID", shell_complete=complete, help="Only parts of this task.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many, the newest ones.")
@at_option
@click.option("--tree", is_flag=True, help="Show each task below the one that it waits for last.")
@json_option
def list_(as_json: bool, tree: bool, **typed: Any) -> None:
    """List tasks, oldest first."""
    wanted = Wanted(**typed)
    moment = _moment(wanted, context.now())
    tasks, held = context.read(_find, wanted, moment)
    if as_json:
        output.write_json([shapes.task(task) for task in tasks])
    elif tasks:
        write_tasks(tasks, moment, tree, held)
    else:
        output.say(_nothing(wanted))


def write_tasks(
    tasks: Sequence[Task], now: datetime, tree: bool = False, held: Collection[str] = ()
) -> None:
    """Those that are `held` are marked."""
    output.write_table(COLUMNS, _rows(tasks, tree, now, held))


def _moment(wanted: Wanted, now: datetime) -> datetime:
    """The time that is asked about."""
    if wanted.at is None:
        return now
    from abathur.domain.times import parse_past

    return parse_past(wanted.at, "at", now)


def _nothing(wanted: Wanted) -> str:
    if any(value is not None for value in astuple(wanted)):
        return "No task fits; leave out a filter to see more."
    return "No tasks yet; `abathur task submit PROMPT` makes one."


def _rows(
    tasks: Sequence[Task], tree: bool, now: datetime, held: Collection[str]
) -> list[list[str]]:
    if not tree:
        return [_row(task, "", now, held) for task in tasks]
    from abathur.cli.task.tree import as_tree

    return [_row(task, branch, now, held) for branch, task in as_tree(tasks, output.has_unicode())]


def _row(task: Task, branch: str, now: datetime, held: Collection[str]) -> list[str]:
    return [
        short(task.id),
        f"{task.status.value}{HELD if task.id in held else ''}",
        str(task.priority),
        task.agent_type,
        branch + task.summary,
        age(task.submitted_at, now),
    ]


def _find(
    stores: Stores, wanted: Wanted, moment: datetime
) -> tuple[Sequence[Task], Collection[str]]:
    """The tasks, and which of them are held at present."""
    from abathur.ports.stores import TaskFilter
    from abathur.services.reading import resolve_id, resolve_trail

    resolve = resolve_id if wanted.at is None else resolve_trail
    where = TaskFilter(
        status=TaskStatus(wanted.status) if wanted.status else None,
        exclude_status=TaskStatus(wanted.exclude_status) if wanted.exclude_status else None,
        agent_type=wanted.agent_type,
        source=TaskSource(wanted.source) if wanted.source else None,
        feature_branch=wanted.target,
        parent_task_id=resolve(stores, wanted.parent) if wanted.parent else None,
        text=wanted.search,
        limit=PAGE,
    )
    if wanted.at is not None:
        from abathur.services.replaying import tasks_at

        return tasks_at(stores, moment, replace(where, limit=wanted.limit or EVERYTHING)), ()
    found = _all_pages(stores, where)
    found = found[-wanted.limit :] if wanted.limit else found
    from abathur.services.admitting import held

    return found, held(stores, found, moment)


def _all_pages(stores: Stores, where: TaskFilter) -> Sequence[Task]:
    from abathur.services.reading import list_tasks

    found: list[Task] = []
    while page := list_tasks(stores, where):
        found.extend(page)
        if len(page) < where.limit:
            break
        where = replace(where, after_id=page[-1].id)
    return found
