"""`abathur db migrate`: bring the tables up to date."""

from __future__ import annotations

import click

from abathur import bootstrap
from abathur.cli import output
from abathur.cli.context import json_option, run
from abathur.cli.db.existing import existing
from abathur.cli.text import clean


@click.command()
@json_option
def migrate(as_json: bool) -> None:
    """Bring the tables of the database up to date.

    On a server this is done by nothing else but `abathur init`: end all swarms first. A file is
    brought up to date by whatever opens it.
    """
    name, applied = run(_migrate)
    if as_json:
        output.write_json({"database": name, "applied": applied})
    else:
        lines = [f"ran {title}" for title in applied]
        output.write_lines(lines or [f"{clean(name)} is up to date"])


async def _migrate() -> tuple[str, list[str]]:
    async with bootstrap.open_database(existing(), may_migrate=True) as database:
        return database.name, list(database.migrated)
