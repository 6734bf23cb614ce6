"""`abathur clean`: what is proven to be of no use goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from abathur.cli import context, output
from abathur.cli.context import json_option
from abathur.cli.exit_codes import BAD_ANSWER, OK
from abathur.cli.output import Column
from abathur.cli.text import clean as harmless
from abathur.cli.text import short
from abathur.domain.cleaning import told
from abathur.domain.wording import size_text

if TYPE_CHECKING:
    from abathur.domain.cleaning import Unneeded

COLUMNS = (
    Column(title="KIND"),
    Column(title="TASK", most=13),
    Column(title="ATTEMPT", right=True),
    Column(title="SIZE", right=True),
    Column(title="WHY", flexible=True),
)


@dataclass(frozen=True, slots=True)
class Cleaned:
    dry_run: bool
    found: Sequence[Unneeded]
    left: Sequence[str]
    """What couldn't be removed, with the reason."""


@click.command()
@click.option(
    "--older-than",
    metavar="AGE",
    help="Transcripts of tasks that ended longer ago, like 30d or 6mo.  "
    "[default: `disk.max_transcript_age`]",
)
@click.option("--dry-run", is_flag=True, help="Only show what would be removed.")
@json_option
def clean(older_than: str | None, dry_run: bool, as_json: bool) -> int:
    """Remove what is proven to be of no use any more, and say why.

    These are salvage refs of ended tasks whose target contains all that they keep, transcripts of
    tasks that ended long ago or were pruned, reports set aside that the database has, and merges
    that were taken back, once their landing is over and no other swarm is left that could go on
    with them. A swarm does the same every hour. Each removal is in the audit trail. Exit code 1
    when something couldn't be removed.
    """
    done = context.run(_clean, older_than, dry_run)
    if as_json:
        output.write_json(_shape(done))
    else:
        _tell(done)
    return BAD_ANSWER if done.left else OK


async def _clean(older_than: str | None, dry_run: bool) -> Cleaned:
    from abathur.bootstrap.cleaning import cleaner

    project = context.project()
    max_age = _max_age(older_than, project.settings.disk.max_transcript_age_seconds)
    now = context.now()
    left: list[str] = []
    async with context.opened(project) as db:
        cleaning = await cleaner(project, db, left.append)
        found = await cleaning.find(project.settings, now, max_age)
        if found and not dry_run:
            found = await cleaning.remove(found, now)
    return Cleaned(dry_run, found, left)


def _max_age(older_than: str | None, configured: float) -> timedelta | None:
    from abathur.domain.times import parse_age

    if older_than is not None:
        return timedelta(seconds=parse_age(older_than, "older-than"))
    return timedelta(seconds=configured) if configured else None


def _tell(done: Cleaned) -> None:
    if done.found:
        output.write_table(COLUMNS, [_row(one) for one in done.found])
        word = "would be removed" if done.dry_run else "removed"
        output.say(f"{told(done.found)} {word}")
    elif not done.left:
        output.say("Nothing to remove.")
    for text in done.left:
        output.say(harmless(text))


def _row(one: Unneeded) -> list[str]:
    attempt = "-" if one.attempt is None else str(one.attempt)
    size = "-" if one.bytes is None else size_text(one.bytes)
    return [one.kind.value, short(one.task_id), attempt, size, one.why]


def _shape(done: Cleaned) -> dict[str, Any]:
    from abathur.cli import shape_fields_swarm as fields
    from abathur.cli.shapes import pick

    return {
        "dry_run": done.dry_run,
        "removed": [pick(fields.UNNEEDED, one) for one in done.found],
        "left": list(done.left),
    }
