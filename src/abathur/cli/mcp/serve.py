"""`abathur mcp serve`."""

from __future__ import annotations

import click

from abathur.cli import context, output
from abathur.domain.errors import InvalidInputError


@click.command()
@click.option(
    "--only",
    type=click.Choice(["tasks", "memory"]),
    help="Serve only these tools.  [default: all]",
)
@click.option(
    "--http",
    "place",
    metavar="[HOST:]PORT",
    help="Serve over HTTP instead, to whoever has a token of `abathur mcp token`; 0 is any port.",
)
@click.option(
    "--allow-host",
    "names",
    multiple=True,
    metavar="NAME",
    help="Take requests to this name of the host too; may be given several times.",
)
def serve(
    only: str | None,
    place: str | None,
    names: tuple[str, ...],
) -> None:
    """Serve the queue's tools over stdin and stdout, until stdin ends.

    This is what a client starts: `abathur mcp install` tells yours to. Where a server of the
    project runs over HTTP already, it only passes messages on to that one.
    """
    if place is None:
        _serve_client(only)
        return
    host, port = _address(place)
    context.run(_serve_http, only, host, port, names)


def _serve_client(only: str | None) -> None:
    from abathur.mcp import bridge

    told = context.app()
    if told.database is not None or not bridge.serve(told.start, only):
        context.run(_serve, only)


async def _serve(only: str | None) -> None:
    from abathur.bootstrap.serving import caller_from
    from abathur.mcp.serving import serve_stdio

    project = context.project()
    await serve_stdio(project, caller_from(project), only)


async def _serve_http(
    only: str | None,
    host: str,
    port: int,
    names: tuple[str, ...],
) -> None:
    from abathur.bootstrap.serving import serving_for
    from abathur.mcp.serving import Place, serve_http

    worker = serving_for()

    def ready(url: str) -> None:
        output.write(url)
        if worker is None:
            output.say("serving; Ctrl-C ends it, and `abathur mcp token` makes a client's token")

    place = Place(host=host, port=port, names=names, worker=worker)
    await serve_http(context.project(), only, place, ready)


def _address(text: str) -> tuple[str, int]:
    """Raises `InvalidInputError`."""
    host, _, port = text.rpartition(":")
    if not port.isascii() or not port.isdecimal() or int(port) > 65_535:
        raise InvalidInputError(
            f"--http: `{text}` has no port of 0 to 65535; write 8765, or 127.0.0.1:8765"
        )
    return host.strip("[]") or "127.0.0.1", int(port)
