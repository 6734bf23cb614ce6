"""The database of a ground that is on a server: made for it alone, taken away, brought back."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from abathur import bootstrap
from abathur.chaos.programs import start_shell
from abathur.domain.errors import AbathurError, ProcessError
from abathur.infrastructure.database import Database
from abathur.infrastructure.database.engines.postgres_address import shown
from abathur.infrastructure.database.opening import driver_needed

PREFIX: Final = "abathur_chaos_"
SECONDS_TO_RESTART: Final = 60.0
LOOK_SECONDS: Final = 0.05
KEPT: Final = "queue.db"
"""In the folder of a round that found something: what the database held."""


@dataclass(frozen=True, slots=True)
class Server:
    url: str
    """Of a database whose user may make others."""
    restart: str = ""
    """A command line that stops the server and starts it again; without one, who is connected to
    a ground's database is thrown out and kept out."""


@dataclass(frozen=True, slots=True)
class Place:
    """A database of a ground."""

    server: Server
    name: str

    @property
    def url(self) -> str:
        from abathur.infrastructure.database.engines.postgres_throwaway import beside

        return beside(self.server.url, self.name)

    def take_away(self, over: Path) -> bool:
        """Whether somebody has to bring it back; else `over` is made when it is there again."""
        if self.server.restart:
            start_shell(self.server.restart, over)
            return False
        from abathur.infrastructure.database.engines.postgres_throwaway import close

        close(self.server.url, self.name)
        return True

    def bring_back(self, over: Path) -> None:
        """After `take_away`, whoever did that and however far it came. Raises `DatabaseError`."""
        from abathur.infrastructure.database.engines.postgres_throwaway import reopen

        if self.server.restart:
            _wait_for(over)
        reopen(self.server.url, self.name)

    def drop_vectors(self) -> None:
        from abathur.infrastructure.database.engines.postgres_throwaway import drop_vectors

        drop_vectors(self.url)


def _wait_for(over: Path) -> None:
    pause = threading.Event()
    for _ in range(round(SECONDS_TO_RESTART / LOOK_SECONDS)):
        if over.exists():
            return
        pause.wait(LOOK_SECONDS)
    raise ProcessError("the command that restarts the server didn't end within a minute")


def check(server: Server) -> None:
    """Make an empty database there, and drop it. Raises `DatabaseError`."""
    with _made(server):
        pass


@contextmanager
def made(server: Server | None) -> Iterator[Place | None]:
    """A database with its tables, dropped at the end; None without a server.

    Raises `DatabaseError`.
    """
    if server is None:
        yield None
        return
    with _made(server) as place:
        asyncio.run(_migrate(place.url))
        yield place


@contextmanager
def _made(server: Server) -> Iterator[Place]:
    # Refused before the driver is looked for: what is wrong may be the name.
    shown(server.url)
    with driver_needed():
        from abathur.infrastructure.database.engines import postgres_throwaway
    name = PREFIX + re.sub(r"\W", "", bootstrap.new_id())
    with postgres_throwaway.made(server.url, name):
        yield Place(server, name)


async def _migrate(url: str) -> None:
    async with Database(url, may_migrate=True):
        pass


def keep(place: Place, folder: Path) -> None:
    """Leave in the folder what the database holds, as a file that any command can look into."""

    async def copy() -> None:
        async with Database(place.url) as db:
            await db.backup(folder / KEPT)

    # What was found is worth telling without it.
    with suppress(AbathurError):
        asyncio.run(copy())
