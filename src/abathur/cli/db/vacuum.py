"""`abathur db vacuum`: unused room goes back to the disk."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import click

from abathur import bootstrap
from abathur.cli import output
from abathur.cli.context import json_option, run
from abathur.cli.db.existing import existing
from abathur.cli.text import clean
from abathur.domain.errors import SwarmError
from abathur.domain.wording import size_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from abathur.domain.agents import Worker
    from abathur.ports.stores import Stores

HARMLESS: Final = 50_000_000
"""Bytes that are rewritten while a swarm hardly notices."""


@click.command()
@click.option("--force", is_flag=True, help="Also while a swarm lives, which then waits.")
@json_option
def vacuum(force: bool, as_json: bool) -> None:
    """Give room that pruned tasks have left back to the disk.

    All pages are written afresh; writers wait meanwhile, readers don't.
    """
    told = run(_vacuum, force)
    if as_json:
        output.write_json(told)
        return
    sizes = f"{size_text(told['before'])} -> {size_text(told['after'])}"
    output.write(f"{clean(str(told['path']))}  {sizes}")
    output.say(f"Writers waited {told['seconds']:.1f} s.")


async def _vacuum(force: bool) -> dict[str, Any]:
    project = existing()
    async with bootstrap.open_database(project) as database:
        before = await database.info()
        size = before["size"] + (before["wal_size"] or 0)
        if not force and size > HARMLESS:
            _refuse_live(await database.read(_workers), size)
        start = time.monotonic()
        await database.vacuum()
        seconds = time.monotonic() - start
        after = await database.info()
    return {
        "path": before["path"],
        "before": size,
        "after": after["size"] + (after["wal_size"] or 0),
        "seconds": round(seconds, 3),
    }


def _workers(stores: Stores) -> Sequence[Worker]:
    return stores.workers.live()


def _refuse_live(workers: Sequence[Worker], size: int) -> None:
    if any(bootstrap.worker_is_alive(worker) is not False for worker in workers):
        raise SwarmError(
            f"a swarm works on the database, and would wait until {size_text(size)} are written "
            "afresh; stop it first with `abathur swarm stop`, or insist with --force"
        )
