"""Word of commits: notifications of the server, and a look at its transactions now and then."""

from __future__ import annotations

import logging
import os
import select
from collections.abc import Callable
from threading import Lock, Thread
from typing import Final

from abathur.domain.errors import DatabaseError
from abathur.infrastructure.database.engines.postgres import Connection
from abathur.infrastructure.database.engines.postgres_link import CHANNEL
from abathur.infrastructure.database.engines.postgres_server import Server

POLL: Final = 1.0
LISTEN: Final = f"LISTEN {CHANNEL}".encode()
# Changes with the end of every transaction that has changed anything.
LOOK: Final = b"SELECT pg_current_snapshot()::text AS seen"

# Of connections that ended long ago.
FORGET: Final = b"DELETE FROM commit_tokens WHERE at < now() - interval '1 day'"

log = logging.getLogger(__name__)

Listener = Callable[[], None]


class Commits:
    """Counts commits, and tells of them. Listens to the server only while somebody wants to know.

    A notification that is lost, or a commit of something that doesn't notify, costs a second.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._gate = Lock()
        self._listeners: tuple[Listener, ...] = ()
        self._ear: _Ear | None = None
        self.own: frozenset[int] = frozenset()
        """Process ids of our own connections: what they commit is told without the server."""
        self.count = 0

    def tell(self) -> None:
        with self._gate:
            self.count += 1
            listeners = self._listeners
        for listener in listeners:
            try:
                listener()
            except Exception:
                # The commit stands, and whoever wasn't told finds out by polling.
                log.exception("A listener to commits of %s failed", self._server.where)

    def listen(self, listener: Listener) -> Listener:
        with self._gate:
            self._listeners = (*self._listeners, listener)
            if self._ear is None:
                self._ear = _Ear(self._server, self._heard)

        def stop() -> None:
            ear = None
            with self._gate:
                self._listeners = tuple(each for each in self._listeners if each != listener)
                if not self._listeners:
                    ear, self._ear = self._ear, None
            if ear is not None:
                ear.close()

        return stop

    def close(self) -> None:
        with self._gate:
            ear, self._ear = self._ear, None
        if ear is not None:
            ear.close()

    def _heard(self, pids: frozenset[int]) -> None:
        if not pids or pids - self.own:
            self.tell()


class _Ear:
    """One connection that listens, on a thread of its own."""

    def __init__(self, server: Server, heard: Callable[[frozenset[int]], None]) -> None:
        self._server = server
        self._heard = heard
        self._ending, self._end = os.pipe()
        self._closed = False
        self._thread = Thread(target=self._work, name="abathur-database-listener", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closed = True
        os.close(self._end)

    def _work(self) -> None:
        try:
            while not self._closed:
                try:
                    with self._server.connected() as connection:
                        connection.execute(LISTEN)
                        connection.execute(FORGET)
                        # Whatever was committed while nobody listened.
                        self._heard(frozenset())
                        self._listen(connection)
                except DatabaseError:
                    self._pause()
        finally:
            os.close(self._ending)

    def _pause(self) -> None:
        select.select([self._ending], [], [], POLL)

    def _listen(self, connection: Connection) -> None:
        seen = _look(connection)
        while not self._closed:
            ready, _, _ = select.select([connection.fileno(), self._ending], [], [], POLL)
            if self._ending in ready:
                return
            pids = frozenset(note.pid for note in connection.notifies(timeout=0))
            if pids:
                self._heard(pids)
                continue
            now = _look(connection)
            if now != seen:
                self._heard(frozenset())
            seen = now


def _look(connection: Connection) -> str | None:
    row = connection.execute(LOOK).fetchone()
    return None if row is None else str(row["seen"])
