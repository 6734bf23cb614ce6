"""The table of memory commands."""

from __future__ import annotations

from typing import Final

import click

from abathur.cli.lazy import Commands, LazyGroup

COMMANDS: Final[Commands] = {
    "add": ("abathur.cli.mem.writing:add", "Keep something for later tasks."),
    "get": ("abathur.cli.mem.looking:get", "Print a memory."),
    "search": ("abathur.cli.mem.search:search", "Find memories by words and meaning."),
    "list": ("abathur.cli.mem.looking:list_", "List memories, the newest first."),
    "history": ("abathur.cli.mem.looking:history", "Show all versions of a memory."),
    "restore": ("abathur.cli.mem.writing:restore", "Bring back a memory or an earlier version."),
    "forget": ("abathur.cli.mem.writing:delete", "Delete a memory; it can be restored."),
    "prune": ("abathur.cli.mem.prune:prune", "Delete what has expired or faded."),
    "duplicates": ("abathur.cli.mem.duplicates:duplicates", "Propose what to forget."),
    "export": ("abathur.cli.mem.moving:export", "Write memories as JSON lines."),
    "import": ("abathur.cli.mem.moving:import_", "Read what `export` wrote."),
    "stats": ("abathur.cli.mem.stats:stats", "Count memories by namespace and type."),
    "embed": ("abathur.cli.mem.embed:embed", "Work out what memories and documents mean."),
}


@click.group(cls=LazyGroup, lazy=COMMANDS)
def mem() -> None:
    """Look after what agents and people remember, in namespaces like `project:build`."""
