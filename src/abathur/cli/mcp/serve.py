"""`abathur mcp serve`."""

from __future__ import annotations

import click

from abathur.cli import context


@click.command()
@click.option(
    "--only",
    type=click.Choice(["tasks"]),
    help="Serve only these tools.  [default: all]",
)
def serve(only: str | None) -> None:
    """Serve the queue's tools over stdin and stdout, until stdin ends.

    This is what a client starts: `abathur mcp install` tells yours to.
    """
    context.run(_serve, only)


async def _serve(only: str | None) -> None:
    from abathur.bootstrap.serving import caller_from
    from abathur.mcp.serving import serve_stdio

    project = context.project()
    await serve_stdio(project, caller_from(project), only)
