"""`abathur mem prune`: what has expired or faded goes."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from abathur.cli import context, output
from abathur.cli.context import json_option
from abathur.cli.mem.looking import MEMORIES, memory_rows
from abathur.cli.mem.options import memory_shape, type_option, wanted
from abathur.domain.errors import RefusedError
from abathur.domain.wording import count

if TYPE_CHECKING:
    from datetime import datetime

    from abathur.domain.memories import Memory
    from abathur.ports.stores import Stores

SHOWN = 20


@click.command()
@click.option("-n", "--namespace", help="Only in this namespace and below it.")
@type_option
@click.option(
    "--faded",
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    help="Also what has faded below this share of its strength, like 0.1.",
)
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=10_000, show_default=True, help="At most."
)
@click.option("--dry-run", is_flag=True, help="Only show what would be deleted.")
@click.option("-y", "--yes", is_flag=True, help="Don't ask.")
@json_option
def prune(
    namespace: str | None,
    memory_type: str | None,
    faded: float | None,
    limit: int,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Delete memories that have expired; they can be restored.

    A memory fades by half in a time that depends on its type, and more slowly when it is used.
    """
    from abathur.services import remembering

    now = context.now()
    where = wanted(now, namespace=namespace, memory_type=memory_type, limit=limit)
    found = context.read(remembering.faded, where, now=now, weaker_than=faded)
    if not as_json:
        _show(found)
    if found and not dry_run:
        _ask(len(found), yes)
        found = [one for page in _pages(found) for one in context.write(_prune, page, now)]
    if as_json:
        output.write_json({"dry_run": dry_run, "memories": [memory_shape(one) for one in found]})
    elif found and not dry_run:
        output.say(f"{count(len(found), 'memory', 'memories')} deleted; restore brings one back")


def _show(found: Sequence[Memory]) -> None:
    if not found:
        output.say("Nothing has expired or faded so far.")
        return
    output.write_table(MEMORIES, memory_rows(found[:SHOWN]))
    if len(found) > SHOWN:
        output.say(f"... and {len(found) - SHOWN} more")


def _ask(number: int, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise RefusedError(
            f"{count(number, 'memory', 'memories')} would be deleted; say so with --yes, or look "
            "with --dry-run"
        )
    click.confirm("Delete them?", abort=True, err=True)


def _pages(found: Sequence[Memory]) -> Iterator[Sequence[Memory]]:
    from abathur.services.remembering import PRUNED_AT_ONCE

    for start in range(0, len(found), PRUNED_AT_ONCE):
        yield found[start : start + PRUNED_AT_ONCE]


def _prune(stores: Stores, found: Sequence[Memory], now: datetime) -> Sequence[Memory]:
    from abathur.bootstrap import actor
    from abathur.services import remembering

    return remembering.prune(stores, found, actor=actor(), now=now)
