"""`abathur mem stats`: how much is remembered where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from abathur.cli import context, output, shapes
from abathur.cli import shape_fields_memory as fields
from abathur.cli.context import json_option
from abathur.cli.output import Column

if TYPE_CHECKING:
    from datetime import datetime

    from abathur.domain.memories import MemoryTotal
    from abathur.ports.stores import Stores
    from abathur.ports.vectors import VectorTotal

COLUMNS = (
    Column(title="NAMESPACE", flexible=True),
    Column(title="TYPE"),
    Column(title="LIVE", right=True),
    Column(title="EXPIRED", right=True),
    Column(title="DELETED", right=True),
    Column(title="USED", right=True),
)


@click.command()
@json_option
def stats(as_json: bool) -> None:
    """Count memories by namespace and type, and vectors by the model that made them."""
    memories, vectors, passages = context.read(_totals, context.now())
    if as_json:
        output.write_json(
            {
                "memories": [
                    shapes.pick(fields.MEMORY_TOTAL, one, memory_type=one.memory_type.value)
                    for one in memories
                ],
                "vectors": [shapes.pick(fields.VECTOR_TOTAL, one) for one in vectors],
                "passages": passages,
            }
        )
        return
    if memories:
        output.write_table(COLUMNS, [_row(one) for one in memories])
    else:
        output.say("Nothing is remembered yet.")
    for one in vectors:
        share = f"{one.vectors} of {passages}" if one.vectors < passages else f"all {passages}"
        output.say(f"{share} passages have a vector of {one.dimension} numbers by {one.model}")


def _totals(
    stores: Stores, now: datetime
) -> tuple[Sequence[MemoryTotal], Sequence[VectorTotal], int]:
    from abathur.services import embedding, remembering

    return (
        remembering.totals(stores, now=now),
        embedding.totals(stores),
        embedding.passages(stores),
    )


def _row(one: MemoryTotal) -> list[str]:
    numbers = (one.live, one.expired, one.deleted, one.accesses)
    return [one.namespace, one.memory_type.value, *map(str, numbers)]
