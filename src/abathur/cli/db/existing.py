"""The database that a command looks after: it has to be there."""

from __future__ import annotations

from abathur import bootstrap
from abathur.cli.context import queue
from abathur.domain.errors import NotFoundError


def existing() -> bootstrap.Project:
    """Opening makes a database that isn't there; one to be looked after has to be."""
    found = queue()
    if bootstrap.is_missing(found.database):
        raise NotFoundError(f"there is no database {found.database}; `abathur init` makes one")
    return found
