"""`abathur mcp`: servers of the Model Context Protocol."""

from __future__ import annotations

from typing import Final

import click

from abathur.cli.lazy import Commands, LazyGroup

COMMANDS: Final[Commands] = {
    "serve": ("abathur.cli.mcp.serve:serve", "Serve the queue's tools to an agent or editor."),
    "install": ("abathur.cli.mcp.install:install", "Tell a client of this project's server."),
    "list": ("abathur.cli.mcp.listing:list_", "List servers, ours and those that agents get."),
    "status": ("abathur.cli.mcp.listing:status", "Ask each server whether it answers."),
    "logs": ("abathur.cli.mcp.listing:logs", "Show which tools were called, and by whom."),
    "token": ("abathur.cli.mcp.token:token", "Make a token for a client that uses HTTP."),
}


@click.group(cls=LazyGroup, lazy=COMMANDS)
def mcp() -> None:
    """Let agents and editors use the queue, over the Model Context Protocol."""
