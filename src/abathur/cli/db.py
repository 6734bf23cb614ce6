"""`abathur db`: is the database sound, what is in it, and a copy of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from abathur import bootstrap
from abathur.cli import output
from abathur.cli.context import json_option, queue, run
from abathur.cli.exit_codes import BAD_ANSWER, OK
from abathur.cli.text import clean
from abathur.domain.errors import InvalidInputError, NotFoundError


@click.group()
def db() -> None:
    """Look after the database."""


@db.command()
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
    async with bootstrap.open_database(_existing()) as database:
        return await database.check(full)


@db.command()
@click.argument("target", type=click.Path(path_type=Path))
@json_option
def backup(target: Path, as_json: bool) -> None:
    """Copy the database to the new file TARGET while everything goes on."""
    if target.exists() or target.is_symlink():
        raise InvalidInputError(f"{target} is there already; name a new file")
    if not target.resolve().parent.is_dir():
        raise InvalidInputError(f"the folder {target.parent} doesn't exist; make it first")
    size = run(_backup, target)
    if as_json:
        output.write_json({"path": str(target.resolve()), "size": size})
    else:
        output.write(f"{clean(str(target))}  {_size(size)}")


async def _backup(target: Path) -> int:
    async with bootstrap.open_database(_existing()) as database:
        await database.backup(target)
    return target.stat().st_size


@db.command()
@json_option
def info(as_json: bool) -> None:
    """Tell its place, its size and how much is in it."""
    facts = run(_info)
    if as_json:
        output.write_json(facts)
    else:
        output.write_lines(list(_info_lines(facts)))


async def _info() -> dict[str, Any]:
    async with bootstrap.open_database(_existing()) as database:
        return await database.info()


def _info_lines(facts: dict[str, Any]) -> list[str]:
    told = {name: value for name, value in facts.items() if name != "rows"}
    lines = [f"{name.replace('_', ' '):16}{_shown(name, value)}" for name, value in told.items()]
    rows = facts.get("rows", {})
    return [*lines, "rows", *(f"  {table:20}{count:>10}" for table, count in rows.items())]


def _shown(name: str, value: object) -> str:
    if name.endswith("size") and isinstance(value, int):
        return _size(value)
    return clean(str(value))


def _size(count: int) -> str:
    """Bytes as people say them."""
    size, units = float(count), ["bytes", "kB", "MB", "GB"]
    while size >= 1000 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{size:.0f} {units[0]}" if units[0] == "bytes" else f"{size:.1f} {units[0]}"


def _existing() -> bootstrap.Project:
    """Opening makes a database that isn't there; one to be looked after has to be."""
    found = queue()
    if not found.database.is_file():
        raise NotFoundError(f"there is no database {found.database}; `abathur init` makes one")
    return found
