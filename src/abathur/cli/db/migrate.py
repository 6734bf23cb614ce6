"""`abathur db migrate`: the tables are brought up to date, or it is said what that would do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from abathur import bootstrap
from abathur.bootstrap import care
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

    On a server only this and `abathur init` do so: end all swarms first. A file is brought up to
    date by whatever opens it; then this tells what was done, and with --dry-run what would be.
    """
    upgrade = run(_planned if dry_run else _migrated)
    if as_json:
        output.write_json(_plain(upgrade, dry_run))
    else:
        output.write_lines(_lines(upgrade, dry_run))


async def _planned() -> Upgrade:
    return await care.planned_upgrade(existing())


async def _migrated() -> Upgrade:
    async with bootstrap.open_database(existing(), may_migrate=True) as database:
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
    if upgrade.converts:
        lines = ["would convert a file of an older Abathur" if dry_run else "converted"]
        return [*lines, *_kept(upgrade)]
    if not upgrade.steps:
        return [f"schema {upgrade.after} is up to date"]
    if upgrade.before:
        head = f"from schema {upgrade.before} to {upgrade.after}"
        lines = [f"{'would upgrade' if dry_run else 'upgraded'} {head}"]
    else:
        lines = [f"{'would make' if dry_run else 'made'} the tables of schema {upgrade.after}"]
    lines += [f"  {step}" for step in upgrade.steps]
    return [*lines, *_kept(upgrade)]


def _kept(upgrade: Upgrade) -> list[str]:
    return [f"the previous state is in {clean(str(upgrade.copy))}"] if upgrade.copy else []
