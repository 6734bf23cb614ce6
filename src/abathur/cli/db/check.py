"""`abathur db check`: is the database sound?"""

from __future__ import annotations

import click

from abathur import bootstrap
from abathur.cli import output
from abathur.cli.context import json_option, run
from abathur.cli.db.existing import existing
from abathur.cli.exit_codes import BAD_ANSWER, OK
from abathur.cli.text import clean


@click.command()
@click.option("--full", is_flag=True, help="Also compare every index with its table; slow.")
@json_option
def check(full: bool, as_json: bool) -> int:
    """Look for damage. Exit code 1 when there is some."""
    problems = run(_check, full)
    if as_json:
        output.write_json({"ok": not problems, "problems": problems})
    else:
        output.write_lines([clean(problem) for problem in problems] or ["no problems found"])
    return BAD_ANSWER if problems else OK


async def _check(full: bool) -> list[str]:
    async with bootstrap.open_database(existing()) as database:
        return await database.check(full)
