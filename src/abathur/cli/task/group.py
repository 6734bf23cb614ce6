"""The table of task commands."""

from __future__ import annotations

from typing import Final

import click

from abathur.cli.lazy import Commands, LazyGroup

COMMANDS: Final[Commands] = {
    "submit": ("abathur.cli.task.submit:submit", "Put a task into the queue."),
    "list": ("abathur.cli.task.listing:list_", "List tasks, oldest first."),
    "show": ("abathur.cli.task.show:show", "Show all about one task."),
    "why": ("abathur.cli.task.why:why", "Say why a task isn't moving, and what to do."),
    "logs": ("abathur.cli.task.logs:logs", "Show what an agent said and did."),
    "diff": ("abathur.cli.task.diff:diff", "Show the changes that a task made."),
    "cancel": ("abathur.cli.task.ending:cancel", "Cancel tasks and all that waits for them."),
    "retry": ("abathur.cli.task.ending:retry", "Queue failed or cancelled tasks again."),
    "budget": ("abathur.cli.task.budget:budget", "Say what a task may cost."),
    "candidates": (
        "abathur.cli.task.candidates:candidates",
        "List what several agents made of a task.",
    ),
    "prune": ("abathur.cli.task.prune:prune", "Remove ended tasks for good."),
    "plan": ("abathur.cli.task.plan:plan", "Show in what order tasks can run."),
}


@click.group(cls=LazyGroup, lazy=COMMANDS)
def task() -> None:
    """Submit, list, explain, cancel, retry and prune tasks."""
