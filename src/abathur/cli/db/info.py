"""`abathur db info`: where the database is and how much is in it."""

from __future__ import annotations

from typing import Any

import click

from abathur import bootstrap
from abathur.cli import output
from abathur.cli.context import json_option, run
from abathur.cli.db.existing import existing
from abathur.cli.text import clean
from abathur.domain.wording import size_text


@click.command()
@json_option
def info(as_json: bool) -> None:
    """Show where it is, its size and how much is in it."""
    facts = run(_info)
    if as_json:
        output.write_json(facts)
    else:
        output.write_lines(list(_lines(facts)))


async def _info() -> dict[str, Any]:
    async with bootstrap.open_database(existing(), only_reads=True) as database:
        return await database.info()


def _lines(facts: dict[str, Any]) -> list[str]:
    told = {name: value for name, value in facts.items() if name != "rows" and value is not None}
    lines = [f"{name.replace('_', ' '):16}{_shown(name, value)}" for name, value in told.items()]
    rows = facts.get("rows", {})
    return [*lines, "rows", *(f"  {table:20}{count:>10}" for table, count in rows.items())]


def _shown(name: str, value: object) -> str:
    if name.endswith("size") and isinstance(value, int):
        return size_text(value)
    return clean(str(value))
