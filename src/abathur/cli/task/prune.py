"""`abathur task prune`: ended tasks leave the queue for good."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from abathur import bootstrap
from abathur.cli import context, output
from abathur.cli.context import json_option
from abathur.cli.output import Column, status_colour
from abathur.cli.task.ids import id_argument
from abathur.cli.text import age, short
from abathur.domain.errors import InvalidInputError, RefusedError
from abathur.domain.tasks import FINAL_STATUSES
from abathur.domain.wording import count

if TYPE_CHECKING:
    from abathur.ports.stores import Stores, UnitOfWork
    from abathur.ports.upkeep import PruneFilter
    from abathur.services.pruning import Pruned, Selection

SHOWN = 20
COLUMNS = (
    Column(title="ID", most=13),
    Column(title="STATUS", colour=status_colour),
    Column(title="SUMMARY", flexible=True),
    Column(title="ENDED", right=True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The options as they were typed."""

    task_ids: Sequence[str]
    status: Sequence[str]
    older_than: str | None
    before: str | None
    limit: int | None
    recursive: bool
    dry_run: bool
    yes: bool
    force: bool


@dataclass(frozen=True, slots=True)
class Done:
    selection: Selection
    pruned: Pruned | None
    """None when nothing was to be removed."""


@click.command()
@id_argument("task_ids", nargs=-1, metavar="[ID]...")
@click.option(
    "--status",
    multiple=True,
    type=click.Choice(sorted(status.value for status in FINAL_STATUSES)),
    help="Only tasks with this status. May be repeated.",
)
@click.option("--older-than", metavar="AGE", help="Ended longer ago, like 30d, 2w, 6mo or 1y.")
@click.option("--before", metavar="TIME", help="Ended before, like 2030-01-31T18:00:00Z.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many, the newest first.")
@click.option("-r", "--recursive", is_flag=True, help="Also their parts, and what depends on them.")
@click.option("--dry-run", is_flag=True, help="Only show what would be pruned.")
@click.option("-y", "--yes", is_flag=True, help="Don't ask.")
@click.option("--force", is_flag=True, help="Also tasks whose worktree or branch is still there.")
@json_option
def prune(as_json: bool, **typed: Any) -> None:
    """Remove completed, failed and cancelled tasks with their attempts and logs.

    A task stays as long as one that stays depends on it. The audit trail keeps all entries, and
    git is left alone: landed commits, salvage refs, branches and worktrees stay.
    """
    wanted = Wanted(**typed)
    _check_options(wanted)
    done = context.run(_prune, wanted)
    if as_json:
        output.write_json(_shape(wanted, done))
    else:
        _tell(wanted, done)


def _check_options(wanted: Wanted) -> None:
    if not (wanted.task_ids or wanted.status or wanted.older_than or wanted.before):
        raise InvalidInputError("say which tasks: ids, --status, --older-than or --before")
    if wanted.older_than and wanted.before:
        raise InvalidInputError("--older-than and --before say the same; leave one out")
    if wanted.recursive and not wanted.task_ids:
        raise InvalidInputError("--recursive needs ids to start from")
    if wanted.recursive and wanted.limit:
        raise InvalidInputError("--recursive takes whole trees; leave out --limit")


def _before(wanted: Wanted, now: datetime) -> datetime | None:
    from abathur.domain.times import parse_age, parse_time

    if wanted.before:
        return parse_time(wanted.before, "before", now)
    if wanted.older_than:
        return now - timedelta(seconds=parse_age(wanted.older_than, "older-than"))
    return None


async def _prune(wanted: Wanted) -> Done:
    found = context.project()
    now = context.now()
    async with context.opened(found) as db:
        where = await db.read(_where, wanted, _before(wanted, now))
        in_git = {} if wanted.force else await _in_git(found, db, where)
        from abathur.services.pruning import select

        selection = await db.read(
            select, where, now=now, in_git=in_git, limit=wanted.limit, force=wanted.force
        )
        if wanted.recursive:
            _refuse_half_trees(selection)
        if wanted.dry_run or not selection.tasks:
            return Done(selection, None)
        _ask(wanted, selection)
        return Done(selection, await _remove(db, selection))


def _where(stores: Stores, wanted: Wanted, before: datetime | None) -> PruneFilter:
    from abathur.domain.tasks import TaskStatus
    from abathur.ports.upkeep import PruneFilter
    from abathur.services.pruning import with_relations
    from abathur.services.reading import resolve_id

    ids = [resolve_id(stores, text) for text in wanted.task_ids]
    for task in stores.tasks.get_many(ids):
        if not task.status.is_final:
            raise RefusedError(
                f"task {task.id} is {task.status}; only ended tasks can be pruned "
                "(`abathur task cancel` ends one)"
            )
    return PruneFilter(
        ids=None if not ids else with_relations(stores, ids) if wanted.recursive else ids,
        statuses=[TaskStatus(one) for one in wanted.status] or None,
        before=before,
    )


async def _in_git(
    found: bootstrap.Project, db: UnitOfWork, where: PruneFilter
) -> Mapping[str, str]:
    """Task -> why its work may not be kept anywhere else yet."""
    from abathur.services.pruning import branches_of

    reasons = {
        task_id: f"its worktree {path} is still there"
        for task_id, path in bootstrap.worktrees_by_task(found).items()
    }
    repository = await bootstrap.open_repository(found.root)
    theirs = await db.read(branches_of, where)
    for branch in await repository.branches():
        if branch in theirs:
            reasons.setdefault(theirs[branch], f"its branch {branch} is still there")
    return reasons


def _refuse_half_trees(selection: Selection) -> None:
    if selection.kept:
        one = selection.kept[0]
        raise RefusedError(f"task {one.task.id} can't be pruned ({one.reason}); nothing was")


def _ask(wanted: Wanted, selection: Selection) -> None:
    if wanted.yes:
        return
    told = count(len(selection.tasks), "task")
    if not sys.stdin.isatty():
        raise RefusedError(f"{told} would be removed for good; to accept that, add --yes")
    _preview(selection)
    if not click.confirm(f"Remove {told} for good?", err=True):
        raise RefusedError("nothing was removed")


async def _remove(db: UnitOfWork, selection: Selection) -> Pruned:
    from abathur.services.pruning import BATCH, Pruned, prune

    done = Pruned()
    left = {task.id: task for task in selection.tasks}
    before = -1
    # Once more, where a task came before another one that depends on it.
    while left and len(done.tasks) > before:
        before, waiting = len(done.tasks), list(left.values())
        for start in range(0, len(waiting), BATCH):
            some = waiting[start : start + BATCH]
            step = await db.write(prune, some, now=context.now(), actor=bootstrap.actor())
            done.tasks += step.tasks
            done.rows.update(step.rows)
        for task in done.tasks[max(before, 0) :]:
            left.pop(task.id)
    return done


def _preview(selection: Selection) -> None:
    now = context.now()
    rows = [
        [short(task.id), task.status.value, task.summary, age(task.ended_at, now)]
        for task in selection.tasks[:SHOWN]
    ]
    for line in output.table(COLUMNS, rows, output.width()):
        output.say(line)
    if len(selection.tasks) > SHOWN:
        output.say(f"and {len(selection.tasks) - SHOWN} more")


def _tell(wanted: Wanted, done: Done) -> None:
    from abathur.services.pruning import statuses_of

    if wanted.dry_run and done.selection.tasks:
        _preview(done.selection)
    tasks = done.pruned.tasks if done.pruned else done.selection.tasks
    what = "pruned" if done.pruned else "would be pruned"
    counts = [f"{status:10}{number:>8}" for status, number in sorted(statuses_of(tasks).items())]
    if not tasks:
        output.say("Nothing to prune.")
    output.write_lines(counts)
    if tasks:
        rows = sum(done.pruned.rows.values()) if done.pruned else None
        told = "" if rows is None else f", {count(rows, 'row')} removed"
        output.say(f"{count(len(tasks), 'task')} {what}{told}.")
    _tell_kept(done)


def _tell_kept(done: Done) -> None:
    for kept in done.selection.kept[:SHOWN]:
        output.say(f"Kept {short(kept.task.id)}: {kept.reason}.")
    if len(done.selection.kept) > SHOWN:
        output.say(f"Kept {len(done.selection.kept) - SHOWN} more.")
    changed = len(done.selection.tasks) - len(done.pruned.tasks) if done.pruned else 0
    if changed:
        output.say(f"Kept {changed} that were changed meanwhile.")


def _shape(wanted: Wanted, done: Done) -> dict[str, Any]:
    from abathur.services.pruning import statuses_of

    tasks = done.pruned.tasks if done.pruned else done.selection.tasks
    return {
        "dry_run": wanted.dry_run,
        "tasks": [task.id for task in tasks],
        "statuses": {str(status): number for status, number in statuses_of(tasks).items()},
        "rows": dict(done.pruned.rows) if done.pruned else {},
        "kept": [{"task_id": kept.task.id, "reason": kept.reason} for kept in done.selection.kept],
    }
