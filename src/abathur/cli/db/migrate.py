"""`abathur db migrate`: the tables are brought up to date, or it is said what that would do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from abathur import bootstrap
from abathur.cli import output
from abathur.cli.context import json_option, run
from abathur.cli.db.existing import existing
from abathur.cli.text import clean

if TYPE_CHECKING:
    from abathur.ports.moving import Upgrade


@click.command()
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
@json_option
def migrate(dry_run: bool, as_json: bool) -> None:
    """Bring the tables up to date.

    Every command does so by itself when it opens a file; this one tells what was done, and with
    --dry-run what would be.
    """
    upgrade = run(_planned if dry_run else _migrated)
    if as_json:
        output.write_json(_plain(upgrade, dry_run))
    else:
        output.write_lines(_lines(upgrade, dry_run))


async def _planned() -> Upgrade:
    return await bootstrap.planned_upgrade(existing())


async def _migrated() -> Upgrade:
    async with bootstrap.open_database(existing()) as database:
        return database.last_upgrade


def _plain(upgrade: Upgrade, dry_run: bool) -> dict[str, object]:
    return {
        "path": upgrade.where,
        "dry_run": dry_run,
        "action": upgrade.action,
        "before": upgrade.before,
        "after": upgrade.after,
        "migrations": list(upgrade.steps),
        "copy": upgrade.copy,
    }


def _lines(upgrade: Upgrade, dry_run: bool) -> list[str]:
    if not upgrade.steps:
        return [f"schema {upgrade.after} is up to date"]
    head = f"from schema {upgrade.before} to {upgrade.after}"
    lines = [f"{'would upgrade' if dry_run else 'upgraded'} {head}"]
    lines += [f"  {step}" for step in upgrade.steps]
    if upgrade.copy:
        lines.append(f"the previous state is in {clean(str(upgrade.copy))}")
    return lines
