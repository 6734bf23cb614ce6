"""`abathur metrics`: the queue in figures, for Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from abathur.cli import context, output

if TYPE_CHECKING:
    from abathur.bootstrap import Project

LOOPBACK = "127.0.0.1"


def address(_: click.Context, param: click.Parameter, value: str | None) -> Any:
    """`PORT` on the loopback, or `HOST:PORT`."""
    if value is None:
        return None
    host, _sep, port = value.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not port.isascii() or not port.isdecimal() or not 1 <= int(port) <= 65535:
        text = f"`{value}` is no port, and no address like 127.0.0.1:9464"
        raise click.BadParameter(text, param=param)
    return (host or LOOPBACK, int(port))


@click.command()
def metrics() -> None:
    """Print figures of the queue once, in Prometheus' text format.

    From the database alone, so it works without a swarm: write it into a file for node_exporter's
    textfile collector. `abathur swarm start --metrics PORT` serves them, and those of its process.
    """
    from abathur.bootstrap import measuring

    measuring.require_extra()
    output.write(context.run(_read, context.queue()).rstrip("\n"))


async def _read(project: Project) -> str:
    from abathur.bootstrap import measuring

    async with context.opened(project, only_reads=True) as db:
        return await measuring.exposition(db, context.now())
