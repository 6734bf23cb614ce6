"""The table of review commands."""

from __future__ import annotations

from typing import Final

import click

from abathur.cli.lazy import Commands, LazyGroup

COMMANDS: Final[Commands] = {
    "list": ("abathur.cli.review.listing:list_", "List what waits for an answer."),
    "show": ("abathur.cli.review.show:show", "Show a question and what it is about."),
    "answer": ("abathur.cli.review.answers:answer", "Answer what an agent has asked."),
    "approve": ("abathur.cli.review.answers:approve", "Say yes: it lands, or may be used."),
    "reject": ("abathur.cli.review.answers:reject", "Say no, and why."),
}


@click.group(cls=LazyGroup, lazy=COMMANDS)
def review() -> None:
    """Answer what waits for a person: may this work land, may this agent do that?"""
