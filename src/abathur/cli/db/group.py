"""The table of database commands."""

from __future__ import annotations

from typing import Final

import click

from abathur.cli.lazy import Commands, LazyGroup

COMMANDS: Final[Commands] = {
    "check": ("abathur.cli.db.check:check", "Look for damage. Exit code 1 when there is some."),
    "backup": ("abathur.cli.db.backup:backup", "Copy the database while everything goes on."),
    "restore": ("abathur.cli.db.restore:restore", "Put a backup in the place of the database."),
    "recover": ("abathur.cli.db.recover:recover", "Recover what a damaged file still holds."),
    "vacuum": ("abathur.cli.db.vacuum:vacuum", "Give unused room back to the disk."),
    "copy": ("abathur.cli.db.copy:copy", "Copy everything into another database, and compare."),
    "legacy": ("abathur.cli.db.legacy:legacy", "Show what was kept of an older database."),
    "migrate": ("abathur.cli.db.migrate:migrate", "Bring the tables up to date."),
    "info": ("abathur.cli.db.info:info", "Show where it is, its size and how much is in it."),
}


@click.group(cls=LazyGroup, lazy=COMMANDS)
def db() -> None:
    """Look after the database."""
