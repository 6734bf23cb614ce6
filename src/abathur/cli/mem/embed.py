"""`abathur mem embed`: vectors for what has none."""

from __future__ import annotations

import click

from abathur.cli import context, output
from abathur.cli.context import json_option
from abathur.domain.errors import InvalidInputError


@click.command()
@json_option
def embed(as_json: bool) -> None:
    """Work out what memories and documents mean, where that isn't known yet.

    It needs `memory.embedder` and `memory.model` in the configuration, and goes on where it was
    ended. A running swarm does the same by and by.
    """
    model, made = context.run(_embed)
    if as_json:
        output.write_json({"model": model, "made": made})
    else:
        output.say(f"{made} vectors made by {model}")


async def _embed() -> tuple[str, int]:
    from abathur.bootstrap import remembering

    project = context.project()
    maker = remembering.embedder(project)
    if maker is None:
        raise InvalidInputError(
            "nobody is configured to say what texts mean; set `memory.embedder` and "
            "`memory.model` in .abathur/config.yaml"
        )
    async with context.opened(project) as db:
        made = await remembering.embed_missing(db, maker)
    return maker.model, made
