"""The table of agent commands."""

from __future__ import annotations

from typing import Final

import click

from abathur.cli.lazy import Commands, LazyGroup

COMMANDS: Final[Commands] = {
    "list": ("abathur.cli.agent.listing:list_", "List the agent types that there are."),
    "show": ("abathur.cli.agent.show:show", "Show what an agent type is told and may do."),
    "check": ("abathur.cli.agent.check:check", "Look for mistakes in definitions."),
    "prompt": ("abathur.cli.agent.prompt:prompt", "Print what a task's agent is told."),
    "templates": ("abathur.cli.agent.templates:templates", "Show what prompts are made of."),
    "stats": ("abathur.cli.agent.stats:stats", "Show how agents have done."),
    "new": ("abathur.cli.agent.new:new", "Write a definition to fill in."),
}


@click.group(cls=LazyGroup, lazy=COMMANDS)
def agent() -> None:
    """See, check and write definitions of agents."""
