"""Giving unused room back to the disk."""

from __future__ import annotations

from typing import Final

from abathur.infrastructure.database.engines.sqlite import Connection, translated
from abathur.infrastructure.database.engines.sqlite_lock import Turns, taken

READERS: Final = 1.0
"""Seconds that emptying the log waits for those who still read the old pages from it."""


def vacuum(connection: Connection, turns: Turns, where: str, timeout: float) -> None:
    """Write all pages afresh, in the turn of this process.

    SQLite writes them to the log first, so a kill leaves the database as it was, readers go on
    meanwhile, and for a while the disk has to hold the rows twice.
    """
    with taken(turns, where, timeout), translated(where, connection):
        connection.execute("VACUUM")
        connection.set_busy_timeout(int(READERS * 1000))
        try:
            # While somebody reads, the file shrinks with a later checkpoint.
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            connection.set_busy_timeout(int(timeout * 1000))
