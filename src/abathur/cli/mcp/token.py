"""`abathur mcp token`."""

from __future__ import annotations

import click

from abathur.cli import context, output
from abathur.cli.context import json_option


@click.command()
@click.option("--name", metavar="TEXT", help="Whose it is, for the audit trail.  [default: you]")
@json_option
def token(name: str | None, as_json: bool) -> None:
    """Print a token for a client that uses `abathur mcp serve --http`.

    It holds until .abathur/mcp/key is deleted. Give it to nobody else: it may do all that you may.
    """
    from abathur.bootstrap.serving import key_of, person, refuse_agents
    from abathur.domain.delegation import Caller
    from abathur.domain.tokens import issued

    refuse_agents()
    made = issued(key_of(context.project()), Caller(name=name) if name else person())
    if as_json:
        output.write_json({"token": made})
    else:
        output.write(made)
