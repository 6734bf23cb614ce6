"""`abathur mem duplicates`: memories that say nearly the same."""

from __future__ import annotations

import click

from abathur.cli import context, output
from abathur.cli.context import json_option
from abathur.cli.mem.options import memory_shape, value_line
from abathur.cli.output import Column

COLUMNS = (
    Column(title="SHARE", right=True),
    Column(title="KEEP", most=36),
    Column(title="FORGET", most=36),
    Column(title="VALUE", flexible=True),
)


@click.command()
@click.option("-n", "--namespace", help="Only in this namespace and below it.")
@json_option
def duplicates(namespace: str | None, as_json: bool) -> None:
    """Propose which of two memories to forget that say nearly the same. Changes nothing."""
    from abathur.services import consolidating

    now = context.now()
    found = context.read(consolidating.proposals, namespace=namespace, now=now)
    if as_json:
        output.write_json(
            [
                {
                    "keep": memory_shape(one.keep),
                    "other": memory_shape(one.other),
                    "share": one.share,
                }
                for one in found
            ]
        )
    elif found:
        rows = [
            [
                f"{one.share:.0%}",
                f"{one.keep.namespace} {one.keep.key}",
                f"{one.other.namespace} {one.other.key}",
                value_line(one.other.value),
            ]
            for one in found
        ]
        output.write_table(COLUMNS, rows)
        output.say("`abathur mem forget NAMESPACE KEY` forgets one.")
    else:
        output.say("No two memories say nearly the same.")
