"""`abathur db copy`: everything into another database, compared row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from abathur.bootstrap import care
from abathur.cli import output
from abathur.cli.context import json_option, now
from abathur.cli.output import Column

if TYPE_CHECKING:
    from abathur.ports.moving import Copied

COLUMNS: Final = (
    Column(title="TABLE", flexible=True),
    Column(title="ROWS", right=True),
    Column(title="SHA-256"),
)
SHOWN: Final = 16
"""Digits of a hash: enough to compare by eye."""


@click.command()
@click.argument("source")
@click.argument("target")
@json_option
def copy(source: str, target: str, as_json: bool) -> None:
    """Copy everything from the database SOURCE into TARGET, which must be empty or missing.

    Both are files, or URLs like postgresql://user@host/database. SOURCE stays as it is. The rows of
    both are compared; when anything differs or fails, TARGET stays as it was. No swarm may work on
    SOURCE meanwhile.
    """
    # Not on an event loop: Ctrl-C has to get through to what cleans up.
    copied = care.copy_database(source, target, now())
    if as_json:
        output.write_json(_plain(copied))
    else:
        cells = [[table.name, str(table.rows), table.sha256[:SHOWN]] for table in copied.tables]
        output.write_table(COLUMNS, cells)


def _plain(copied: Copied) -> dict[str, object]:
    tables = [
        {"name": table.name, "rows": table.rows, "sha256": table.sha256} for table in copied.tables
    ]
    return {"source": copied.source, "target": copied.target, "tables": tables}
