"""The server: how to connect to it, what time it has there, and what became of a transaction."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Final

from abathur.domain.errors import DatabaseError
from abathur.infrastructure.database.engines.postgres import (
    Connection,
    DriverError,
    connect,
    translated,
)

TIME: Final = b"SELECT clock_timestamp() AS now"
TAKE_TOKEN: Final = b"INSERT INTO commit_tokens (token) VALUES ($1) ON CONFLICT DO NOTHING"
MEASURED_FOR: Final = 30.0
"""Seconds after which the server is asked for its time again."""
LONGEST_ANSWER: Final = 0.5
"""An answer that took longer says too little about the time."""

# Where there is one, a clock that also runs while the machine sleeps.
_RUNNING: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def running() -> float:
    return time.clock_gettime(_RUNNING)


class Server:
    """May be used from several threads."""

    def __init__(self, url: str, where: str, wait: float) -> None:
        self._url = url
        self.where = where
        self._wait = wait
        self._gate = Lock()
        self._spare: Connection | None = None
        self._time: tuple[datetime, float] | None = None

    def connect(self) -> Connection:
        with self._gate:
            spare, self._spare = self._spare, None
        if spare is not None and not spare.closed:
            return spare
        connection = connect(self._url, self.where, wait=self._wait)
        self.measure(connection)
        return connection

    def keep(self, connection: Connection) -> None:
        """For the next one who connects."""
        self._spare = connection

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        connection = self.connect()
        try:
            with translated(self.where, connection):
                yield connection
        finally:
            connection.close()

    def took_place(self, token: str) -> bool | None:
        """Whether the transaction with this token was committed; None while that can't be asked.

        Taking the token waits for a transaction that is still under way, and one that hasn't
        come as far as to take it can't be committed afterwards. The server's own number of a
        transaction wouldn't do: after a crash it may give the same one to another.
        """
        try:
            with self.connected() as connection:
                return connection.execute(TAKE_TOKEN, (token,)).rowcount == 0
        except DatabaseError:
            return None

    def close(self) -> None:
        if self._spare is not None:
            self._spare.close()
            self._spare = None

    # --- the time there -------------------------------------------------------------------

    @property
    def is_time_old(self) -> bool:
        return self._time is None or running() - self._time[1] > MEASURED_FOR

    def measure(self, connection: Connection) -> None:
        """Note the server's time. Keeps what is known when the answer comes late or never."""
        began = running()
        try:
            row = connection.execute(TIME).fetchone()
        except DriverError:
            # Whoever uses the connection next finds out.
            return
        took = running() - began
        if row is not None and (took <= LONGEST_ANSWER or self._time is None):
            self._time = (row["now"].astimezone(UTC), began + took / 2)

    def now(self) -> datetime:
        if self._time is None:
            raise DatabaseError(f"`{self.where}` isn't open; call `initialize()` first")
        there, since = self._time
        return there + timedelta(seconds=running() - since)


class ServerClock:
    """Meets `ports.clock.Clock` by the server's time, which all that use the database share."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def now(self) -> datetime:
        return self._server.now()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
