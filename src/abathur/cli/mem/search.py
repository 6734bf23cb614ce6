"""`abathur mem search`: what fits a question, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from abathur.cli import context, output
from abathur.cli.context import json_option
from abathur.cli.meaning import meaning_of
from abathur.cli.mem.options import filters, memory_shape, wanted, why_shape, why_text
from abathur.cli.text import clean

if TYPE_CHECKING:
    from abathur.ports.memory import MemoryFilter
    from abathur.services.searching import MemoryHit


@click.command()
@click.argument("text")
@filters
@click.option(
    "--limit", type=click.IntRange(1, 200), default=10, show_default=True, help="At most."
)
@json_option
def search(text: str, as_json: bool, **typed: Any) -> None:
    """Find memories that have words of TEXT, or mean the same; the best first.

    Meaning needs `memory.embedder` in the configuration; while that can't be asked, words do.
    """
    hits = context.run(_search, text, wanted(context.now(), **typed))
    if as_json:
        output.write_json([_shape(hit) for hit in hits])
    elif not hits:
        output.say("Nothing fits; try other words, or `abathur mem list`.")
    for hit in () if as_json else hits:
        memory = hit.memory
        output.write_lines(
            [
                output.paint(clean(f"{memory.namespace} {memory.key}"), "bold"),
                f"  {clean(hit.excerpt)}",
                f"  {output.paint(clean(why_text(hit.why)), 'dim')}",
            ]
        )


async def _search(text: str, where: MemoryFilter) -> Sequence[MemoryHit]:
    from abathur.services.searching import search_memories

    project = context.project()
    meaning = await meaning_of(project, text)
    async with context.opened(project, only_reads=True) as db:
        return await db.read(search_memories, text, where, now=context.now(), meaning=meaning)


def _shape(hit: MemoryHit) -> dict[str, Any]:
    return {
        "memory": memory_shape(hit.memory),
        "excerpt": hit.excerpt,
        "why": why_shape(hit.why),
    }
