"""`abathur db recover`: what a damaged file still holds, in a new one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from abathur import bootstrap
from abathur.bootstrap import care
from abathur.cli import output
from abathur.cli.context import json_option, queue, run
from abathur.cli.exit_codes import BAD_ANSWER, OK
from abathur.cli.output import Column
from abathur.cli.text import clean
from abathur.domain.errors import InvalidInputError
from abathur.domain.wording import count

if TYPE_CHECKING:
    from abathur.domain.problems import Problem
    from abathur.ports.restoring import Recovered

COLUMNS = (
    Column(title="TABLE", flexible=True),
    Column(title="KEPT", right=True),
    Column(title="LOST", right=True),
    Column(title="CHANGED", right=True),
)


@click.command()
@click.argument("files", nargs=-1, metavar="[SOURCE] TARGET", type=click.Path(path_type=Path))
@json_option
def recover(files: tuple[Path, ...], as_json: bool) -> int:
    """Recover all that can be read of SOURCE into the new file TARGET.

    SOURCE, the project's database unless given, is only read. Exit code 1 when anything is lost.
    """
    source, target = _named(files)
    found = care.recover(source, target)
    problems = run(_check, target)
    if as_json:
        output.write_json(_shape(source, target, found, problems))
    else:
        _tell(target, found, problems)
    return OK if found.is_complete and not problems else BAD_ANSWER


def _named(files: Sequence[Path]) -> tuple[Path, Path]:
    if len(files) not in (1, 2):
        raise InvalidInputError("name the new file, or a damaged one and the new one")
    target = files[-1].resolve()
    if target.exists() or files[-1].is_symlink():
        raise InvalidInputError(f"{files[-1]} is there already; name a new file")
    if not target.parent.is_dir():
        raise InvalidInputError(f"the folder {target.parent} doesn't exist; make it first")
    return (files[0].resolve() if len(files) == 2 else queue().file), target


async def _check(target: Path) -> Sequence[Problem]:
    async with bootstrap.open_database(replace(queue(), database=target)) as database:
        return await database.check(full=True)


def _tell(target: Path, found: Recovered, problems: Sequence[Problem]) -> None:
    rows = [
        [one.table, str(one.kept), str(one.lost), str(one.changed)]
        for one in found.tables
        if one.kept or one.lost or one.changed
    ]
    output.write_table(COLUMNS, rows)
    if found.damaged_pages:
        output.say(f"Damaged: {count(found.damaged_pages, 'page')}.")
    if found.leftovers is not None:
        output.say(f"Rows that don't fit are in {clean(str(found.leftovers))}")
    for problem in problems:
        output.say(clean(f"{problem.code}: {problem.text}"))
    what = "Nothing was lost." if found.is_complete else "Not all could be recovered."
    output.say(f"{what} Look with `abathur --db {clean(str(target))} task list`; then")
    output.say(f"`abathur db restore {clean(str(target))}` puts it in place.")


def _shape(
    source: Path, target: Path, found: Recovered, problems: Sequence[Problem]
) -> dict[str, object]:
    from abathur.cli import shape_fields_database as fields
    from abathur.cli.shapes import pick

    return {
        "source": str(source),
        "target": str(target),
        "complete": found.is_complete,
        "tables": [pick(fields.RECOVERED_TABLE, one) for one in found.tables],
        "damaged_pages": found.damaged_pages,
        "leftovers": None if found.leftovers is None else str(found.leftovers),
        "problems": [pick(fields.PROBLEM, problem) for problem in problems],
    }
