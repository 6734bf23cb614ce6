"""`abathur db backup`: a verified copy."""

from __future__ import annotations

from pathlib import Path

import click

from abathur import bootstrap
from abathur.cli import output
from abathur.cli.context import json_option, run
from abathur.cli.db.existing import existing
from abathur.cli.text import clean
from abathur.domain.errors import InvalidInputError
from abathur.domain.wording import size_text


@click.command()
@click.argument("target", type=click.Path(path_type=Path))
@json_option
def backup(target: Path, as_json: bool) -> None:
    """Copy the database to the new file TARGET while everything goes on.

    Also one on a server: TARGET is a SQLite file always, which any command can look into by --db.
    """
    if target.exists() or target.is_symlink():
        raise InvalidInputError(f"{target} is there already; name a new file")
    if not target.resolve().parent.is_dir():
        raise InvalidInputError(f"the folder {target.parent} doesn't exist; make it first")
    size = run(_backup, target)
    if as_json:
        output.write_json({"path": str(target.resolve()), "size": size})
    else:
        output.write(f"{clean(str(target))}  {size_text(size)}")


async def _backup(target: Path) -> int:
    async with bootstrap.open_database(existing(), only_reads=True) as database:
        await database.backup(target)
    return target.stat().st_size
