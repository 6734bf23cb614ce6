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


def size_text(count: int) -> str:
    """Bytes as people say them."""
    size, units = float(count), ["bytes", "kB", "MB", "GB"]
    while size >= 1000 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{size:.0f} {units[0]}" if units[0] == "bytes" else f"{size:.1f} {units[0]}"
