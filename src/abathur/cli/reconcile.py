"""`abathur reconcile`: compare the queue with what is, and repair what can be proven."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from abathur import bootstrap
from abathur.cli import context, output
from abathur.cli.context import json_option
from abathur.cli.exit_codes import BAD_ANSWER, OK
from abathur.cli.text import clean

if TYPE_CHECKING:
    from abathur.domain.problems import Fix, Problem
    from abathur.ports.stores import UnitOfWork


@dataclass(frozen=True, slots=True)
class Outcome:
    dry_run: bool
    fixes: Sequence[Fix]
    left: Sequence[Problem]
    """What only another loop of the swarm, or a person, can put right."""


@click.command()
@click.option("--dry-run", is_flag=True, help="Only show what would be repaired.")
@json_option
def reconcile(dry_run: bool, as_json: bool) -> int:
    """Compare the open part of the queue with rows, refs and processes, and repair it.

    Repairs what can be proven, each with an entry in the audit trail, and tells the rest. A swarm
    does the same every minute. Exit code 1 when something is left to be looked at.
    """
    done = context.run(_reconcile, dry_run)
    if as_json:
        output.write_json(_shape(done))
    else:
        _tell(done)
    return BAD_ANSWER if done.left else OK


async def _reconcile(dry_run: bool) -> Outcome:
    from abathur.bootstrap.settling import settle
    from abathur.swarm.reconciler import Seen, examine

    found = context.queue()
    repository = await bootstrap.open_repository(found.root)
    async with context.opened(found) as db:
        now = context.now()
        alive = bootstrap.worker_is_alive
        facts, problems = await examine(db, repository, alive, now, Seen())
        fixable = [problem for problem in problems if problem.fixable]
        fixes: Sequence[Fix] = ()
        if dry_run:
            fixes = await _rehearsed(db, fixable) if fixable else ()
        else:
            fixes = await settle(db, repository, problems, now, bootstrap.actor())
            if fixable or facts.overdue:
                fixes = [*fixes, *await _repaired(db, fixable)]
            if fixes:
                _, problems = await examine(db, repository, alive, now, Seen())
        fixed = {fix.problem for fix in fixes}
        return Outcome(dry_run, fixes, [one for one in problems if one not in fixed])


async def _repaired(db: UnitOfWork, problems: Sequence[Problem]) -> Sequence[Fix]:
    from abathur.services.reconciling import repair

    done = await db.write(repair, problems, now=context.now(), actor=bootstrap.actor())
    return done.fixes


async def _rehearsed(db: UnitOfWork, problems: Sequence[Problem]) -> Sequence[Fix]:
    from abathur.services.fixing import Rehearsed
    from abathur.services.reconciling import rehearse

    try:
        await db.write(rehearse, problems, now=context.now(), actor=bootstrap.actor())
    except Rehearsed as rehearsed:
        return rehearsed.fixes
    return ()


def _tell(done: Outcome) -> None:
    word = "would be repaired" if done.dry_run else "repaired"
    lines = [clean(f"{word}: {fix.problem.text}") for fix in done.fixes]
    lines += [clean(f"{problem.code}: {problem.text}") for problem in done.left]
    output.write_lines(lines or ["the queue is as it should be"])


def _shape(done: Outcome) -> dict[str, Any]:
    from abathur.cli import shape_fields_database as fields
    from abathur.cli.shapes import pick

    return {
        "ok": not done.left,
        "dry_run": done.dry_run,
        "fixes": [
            pick(
                fields.FIX,
                fix.problem,
                before=dict(fix.before),
                after=None if fix.after is None else dict(fix.after),
            )
            for fix in done.fixes
        ],
        "left": [pick(fields.PROBLEM, problem) for problem in done.left],
    }
