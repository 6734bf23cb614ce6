"""The database that a command looks after: it has to be there."""

from __future__ import annotations

from abathur import bootstrap
from abathur.bootstrap import care
from abathur.cli.context import queue


def existing() -> bootstrap.Project:
    """Opening makes a database that isn't there; one to be looked after has to be."""
    found = queue()
    if bootstrap.is_missing(found.database):
        raise care.missing(found)
    return found
