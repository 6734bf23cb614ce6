"""`abathur audit verify`: is the trail what was written?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from abathur.cli import context, output, shapes
from abathur.cli.context import json_option
from abathur.cli.exit_codes import BAD_ANSWER, OK
from abathur.cli.task.ids import id_argument
from abathur.cli.text import clean

if TYPE_CHECKING:
    from abathur.domain.chain import Anchor
    from abathur.ports.stores import Stores
    from abathur.services.verifying import Verification


@click.command()
@id_argument("task_ids", nargs=-1, metavar="[ID]...")
@click.option(
    "--anchor", "text", metavar="ROW:DIGEST", help="Compare with an anchor of an earlier run."
)
@json_option
def verify(task_ids: Sequence[str], text: str | None, as_json: bool) -> int:
    """Prove that no entry of the trail was changed or removed, and that the tasks are what it
    tells. Exit code 1 when not, with a line for each place.

    Prints an anchor: kept elsewhere, it shows later if the whole trail was written anew.
    """
    from abathur.domain.chain import parse_anchor

    if task_ids and text:
        raise click.UsageError("an anchor is about all tasks; leave the ids out, or `--anchor`")
    found = context.read(_verify, task_ids, parse_anchor(text) if text else None)
    if as_json:
        output.write_json(shapes.verification(found))
    else:
        output.write_lines([clean(str(one)) for one in found.breaks] or _intact(found))
    return BAD_ANSWER if found.breaks else OK


def _verify(stores: Stores, texts: Sequence[str], anchor: Anchor | None) -> Verification:
    from abathur.services.reading import resolve_trail
    from abathur.services.verifying import verify as verify_trails

    ids = list(dict.fromkeys(resolve_trail(stores, text) for text in texts))
    return verify_trails(stores, ids or None, anchor)


def _intact(found: Verification) -> list[str]:
    entries = "1 entry" if found.entries == 1 else f"{found.entries} entries"
    tasks = "1 task" if found.tasks == 1 else f"{found.tasks} tasks"
    lines = [f"{entries} of {tasks}: nothing was changed or removed"]
    return [*lines, f"anchor {found.anchor}"] if found.anchor else lines
