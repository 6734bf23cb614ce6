"""`abathur plan`: whole backlogs, queued from a file, and the order in which they will run."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from abathur import bootstrap
from abathur.bootstrap import Project
from abathur.bootstrap.definitions import as_defined
from abathur.bootstrap.targets import resolve_target
from abathur.cli import output
from abathur.cli.context import json_option, now, project, read, run
from abathur.cli.strangers import warn_of_strangers
from abathur.cli.text import clean
from abathur.domain.errors import InvalidInputError, PlanError, ProtectedTargetError
from abathur.domain.protection import check_target

if TYPE_CHECKING:
    from abathur.cli.plan_view import Item
    from abathur.domain.plans import Plan, PlannedTask
    from abathur.ports.stores import Stores
    from abathur.services.planning import Applied
    from abathur.services.reading import ExecutionPlan

STDIN = "-"


@click.group()
def plan() -> None:
    """Queue a whole backlog from a file, and see in what order it will run."""


@plan.command()
@click.argument("file")
@click.option("--target", metavar="BRANCH", help="Where the work of tasks without a target lands.")
@click.option("--dry-run", is_flag=True, help="Check everything and show the order; queue nothing.")
@json_option
def apply(file: str, target: str | None, dry_run: bool, as_json: bool) -> None:
    """Queue the tasks of FILE (YAML or JSON, `-` for standard input).

    All of them or none: every problem is told with its line. Applied again, it queues only what
    isn't there yet, and tells what FILE says otherwise by now of what is.

    \b
    plan: parser               # default: the file's name
    target: main               # default: the branch that is checked out
    defaults: {priority: 6}
    tasks:
      grammar:
        prompt: Write the grammar into grammar.txt.
        estimate: 10m
      parser:
        prompt: Write a parser for grammar.txt.
        needs: [grammar]
    """
    content = _content(file)
    found = project()
    backlog = bootstrap.read_plan(file, content, now())
    applied = run(_apply, found, backlog, target, dry_run)
    for name, texts in applied.differing.items():
        output.say(f"task {clean(name)} stays as it was queued: {clean('; '.join(texts))}")
    if as_json:
        output.write_json(_plain(backlog, applied, dry_run))
    elif dry_run:
        output.write_lines([*_order(backlog, applied), "", _told(backlog, applied, dry_run)])
    else:
        _write_table(applied)
        output.write(_told(backlog, applied, dry_run))


def _content(file: str) -> bytes:
    try:
        if file == STDIN:
            return sys.stdin.buffer.read()
        return Path(file).read_bytes()
    except OSError as error:
        reason = (error.strerror or "").lower()
        raise InvalidInputError(f"{file} can't be read ({reason}); check its name") from error


class _OnlyTried(Exception):
    """Leaves a transaction, so that nothing of it stays."""

    def __init__(self, applied: Applied) -> None:
        self.applied = applied


async def _apply(found: Project, backlog: Plan, target: str | None, dry_run: bool) -> Applied:
    backlog = await _with_targets(found, backlog, target)
    backlog = _with_loops(found, backlog)
    tasks = [task.new for task in backlog.tasks.values()]
    warn_of_strangers(found, [new.agent_type for new in tasks], [new.loop for new in tasks])
    whole = as_defined(found, [task.new for task in backlog.tasks.values()])
    pairs = zip(backlog.tasks.items(), whole, strict=True)
    backlog = replace(backlog, tasks={name: replace(task, new=new) for (name, task), new in pairs})
    async with bootstrap.open_database(found) as db:
        try:
            return await db.write(_queue, backlog, dry_run)
        except _OnlyTried as tried:
            return tried.applied


def _with_loops(found: Project, backlog: Plan) -> Plan:
    """With the loops and candidates of its tasks as the configuration reads them."""
    if all(task.loop is None for task in backlog.tasks.values()):
        return backlog
    from abathur.bootstrap.loops import named_loop

    tasks, problems = {}, []
    for name, task in backlog.tasks.items():
        tasks[name] = task
        if task.loop is None:
            continue
        where = f"{backlog.file}:{task.line}: {name}: loop"
        try:
            loop = named_loop(found, task.loop, where)
            tasks[name] = replace(task, new=replace(task.new, loop=loop))
        except InvalidInputError as error:
            text = str(error)
            problems.append(text if text.startswith(where) else f"{where}: {text}")
    if problems:
        raise PlanError(problems)
    return replace(backlog, tasks=tasks)


def _queue(stores: Stores, backlog: Plan, dry_run: bool) -> Applied:
    from abathur.services.planning import apply_plan

    applied = apply_plan(
        stores, backlog, new_id=bootstrap.new_id, now=now(), actor=bootstrap.actor()
    )
    if dry_run:
        raise _OnlyTried(applied)
    return applied


async def _with_targets(found: Project, backlog: Plan, target: str | None) -> Plan:
    """Each task with a target that exists: its own, or the one that goes for all others."""
    tasks = backlog.tasks.values()
    if all(task.new.feature_branch for task in tasks):
        default = None
    else:
        default = await resolve_target(found, target)
    there = await (await bootstrap.open_repository(found.root)).branches()
    problems = [
        f"{backlog.file}:{task.line}: target: there is no branch `{task.new.feature_branch}` "
        f"for task `{task.name}`; make it with `git branch {task.new.feature_branch}`"
        for task in tasks
        if (task.new.feature_branch or default) not in there
    ]
    problems += [
        f"{backlog.file}:{task.line}: target: {problem} (for task `{task.name}`)"
        for task in tasks
        if task.new.feature_branch in there
        and (problem := _protection(found, task.new.feature_branch or ""))
    ]
    if problems:
        raise PlanError(problems)
    return replace(backlog, tasks={task.name: _whole(task, default) for task in tasks})


def _protection(found: Project, target: str) -> str | None:
    try:
        check_target(found.settings, target)
    except ProtectedTargetError as error:
        return str(error)
    return None


def _whole(task: PlannedTask, default: str | None) -> PlannedTask:
    """With what isn't in the file: a target, and who queues it."""
    target = task.new.feature_branch or default
    new = replace(task.new, feature_branch=target, created_by=bootstrap.actor())
    return replace(task, new=new)


def _plain(backlog: Plan, applied: Applied, dry_run: bool) -> dict[str, Any]:
    from abathur.cli import shapes

    batches, path, seconds = _schedule(backlog)
    return {
        "plan": backlog.name,
        "dry_run": dry_run,
        "created": applied.created,
        "unchanged": len(applied.submitted) - applied.created,
        "tasks": [
            {"name": name} | shapes.submitted(one) | {"kept": list(applied.differing.get(name, ()))}
            for name, one in applied.submitted
        ],
        "batches": batches,
        "critical_path": path,
        "critical_seconds": seconds,
    }


def _write_table(applied: Applied) -> None:
    shape = [
        output.Column(title="NAME", flexible=True),
        output.Column(title="ID"),
        output.Column(title="STATUS"),
    ]
    rows = [
        [name, one.task.id, "created" if one.created else "unchanged"]
        for name, one in applied.submitted
    ]
    output.write_table(shape, rows)


def _told(backlog: Plan, applied: Applied, dry_run: bool) -> str:
    name = clean(backlog.name)
    old = len(applied.submitted) - applied.created
    if not applied.created:
        told = "its task is" if old == 1 else f"all {old} tasks are"
        return f"plan {name}: {told} queued already; nothing was changed"
    would = "would be queued" if dry_run else "queued"
    unchanged = f", {old} {'was' if old == 1 else 'were'} there already" if old else ""
    return f"plan {name}: {applied.created} {would}{unchanged}"


def _schedule(backlog: Plan) -> tuple[list[list[str]], list[str], float]:
    """Batches, critical path and its seconds, by the names of the file."""
    from abathur.domain import graph
    from abathur.services.reading import DEFAULT_ESTIMATE_SECONDS

    needs = {task.name: list(task.needs) for task in backlog.tasks.values()}
    weights = {
        task.name: float(task.new.estimated_duration_seconds or DEFAULT_ESTIMATE_SECONDS)
        for task in backlog.tasks.values()
    }
    path = graph.critical_path(needs, weights)
    return graph.batches(needs), path, sum(weights[name] for name in path)


def _order(backlog: Plan, applied: Applied) -> list[str]:
    from abathur.cli.plan_view import drawing

    created = {name: one.created for name, one in applied.submitted}
    batches, path, seconds = _schedule(backlog)
    items = [[_item(backlog, name, created[name]) for name in batch] for batch in batches]
    return drawing(items, path, seconds, output.width())


def _item(backlog: Plan, name: str, is_new: bool) -> Item:
    from abathur.cli.plan_view import Item

    task = backlog.tasks[name]
    return Item(
        key=name,
        label=name,
        status="new" if is_new else "unchanged",
        seconds=task.new.estimated_duration_seconds,
        summary=task.new.summary,
        needs=task.needs,
    )


@plan.command()
@click.argument("ids", metavar="[ID]...", nargs=-1)
@json_option
def show(ids: Sequence[str], as_json: bool) -> None:
    """Show in what order unfinished tasks can run: all of them, or the given ones.

    Tasks of one batch don't wait for each other. The critical path, marked with `*`, is the chain
    that takes longest.
    """
    found = read(_execution_plan, ids)
    if as_json:
        from abathur.cli import shapes

        output.write_json(shapes.execution_plan(found))
    else:
        from abathur.cli.plan_view import execution_lines

        output.write_lines(execution_lines(found, output.width()))


def _execution_plan(stores: Stores, ids: Sequence[str]) -> ExecutionPlan:
    from abathur.services.reading import execution_plan, resolve_id

    return execution_plan(stores, {resolve_id(stores, text) for text in ids} if ids else None)
