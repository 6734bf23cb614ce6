"""`abathur db restore`: a backup takes the place of the database."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from abathur import bootstrap
from abathur.bootstrap import care
from abathur.cli import output
from abathur.cli.context import json_option, now, queue
from abathur.cli.text import clean
from abathur.domain.errors import RefusedError, SwarmError
from abathur.domain.wording import count

if TYPE_CHECKING:
    from abathur.ports.restoring import Difference, Prepared


@click.command()
@click.argument("backup", type=click.Path(path_type=Path))
@click.option("--yes", is_flag=True, help="Don't ask, also when changes are lost.")
@click.option("--force", is_flag=True, help="Also while a swarm seems to live.")
@json_option
def restore(backup: Path, yes: bool, force: bool, as_json: bool) -> None:
    """Verify BACKUP and put it in the place of the database, which is kept under a dated name.

    Works also when the database is a damaged or missing file. On a server all rows are exchanged in
    one transaction.
    """
    put_back(queue(), backup, as_json=as_json, yes=yes, force=force)


def put_back(
    project: bootstrap.Project,
    backup: Path,
    *,
    as_json: bool,
    yes: bool = False,
    force: bool = False,
    only_fixes: bool = False,
) -> None:
    """With `only_fixes` it is refused when anything but fixing was done since the backup."""
    with care.prepared_restore(project, backup) as found:
        if not force:
            _refuse_live(found)
        if only_fixes:
            _refuse_loss(found, backup)
        elif not yes:
            _ask(found)
        kept = care.restore(project, found, now())
    if as_json:
        output.write_json(_shape(found, backup, kept))
    else:
        _tell(found, backup, kept)


def _refuse_live(found: Prepared) -> None:
    for worker in found.workers:
        alive = bootstrap.worker_is_alive(worker)
        if alive is not False:
            where = f"process {worker.pid}" if alive else f"on host {worker.machine}"
            raise SwarmError(
                f"a swarm ({where}) works on {found.where}; stop it with `abathur swarm stop`, "
                "or insist with --force"
            )
    if found.unreadable:
        users = care.users_of(Path(found.where))
        if users:
            raise SwarmError(
                f"process {users[0]} has {found.where} open; end it, or insist with --force"
            )


def _refuse_loss(found: Prepared, backup: Path) -> None:
    difference = found.difference
    if difference is None or difference.loses_work:
        raise RefusedError(
            f"changes were made since `{backup.name}` that would be undone too; to accept that, "
            f"run `abathur db restore {backup}`"
        )


def _ask(found: Prepared) -> None:
    difference = found.difference
    if difference is None or not difference.loses_work:
        return
    text = _loss(difference, is_question=True)
    if not sys.stdin.isatty():
        raise RefusedError(f"{text}; to accept that, add --yes")
    output.say(f"{text[:1].upper()}{text[1:]}.")
    if not click.confirm("Put the backup in place?", err=True):
        raise RefusedError("nothing was changed")


def _loss(difference: Difference, *, is_question: bool) -> str:
    if not difference.is_descendant:
        return "the backup is of another database, so everything in the present one goes"
    told = f"{count(difference.entries, 'change')} since the backup"
    if difference.sessions:
        told += f", and what {count(difference.sessions, 'session')} wrote,"
    if not difference.completed:
        return f"{told} would be undone" if is_question else f"{told} undone"
    tasks = count(difference.completed, "completed task")
    again = "would be done again" if is_question else "will be done again"
    return f"{told} {'would be undone' if is_question else 'undone'}, so that {tasks} {again}"


def _tell(found: Prepared, backup: Path, kept: Path | None) -> None:
    counts = ", ".join(
        f"{number} {status}" for status, number in sorted(found.backup.tasks.items())
    )
    output.write(f"{clean(found.where)}  {counts or 'no tasks'}")
    output.say(f"Restored from {clean(str(backup))}")
    if found.unreadable:
        output.say(clean(f"The database that was there can't be read: {found.unreadable}"))
    elif found.difference is not None and (found.difference.entries or found.difference.sessions):
        text = _loss(found.difference, is_question=False)
        output.say(f"{text[:1].upper()}{text[1:]}.")
    if kept is not None:
        output.say(f"What was there is kept as {clean(str(kept))}")


def _shape(found: Prepared, backup: Path, kept: Path | None) -> dict[str, object]:
    difference = found.difference if found.difference and found.difference.is_descendant else None
    return {
        "path": found.where,
        "backup": str(backup.resolve()),
        "kept": None if kept is None else str(kept),
        "tasks": dict(found.backup.tasks),
        "unreadable": found.unreadable,
        "entries_undone": difference and difference.entries,
        "completed_undone": difference and difference.completed,
    }
