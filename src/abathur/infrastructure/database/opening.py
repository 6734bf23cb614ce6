"""Which engine serves a database, told by how the database is named."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from abathur.domain.errors import DatabaseError
from abathur.infrastructure.clock import SystemClock
from abathur.infrastructure.database import migrate, queries
from abathur.infrastructure.database.engines.postgres_address import is_url, shown
from abathur.ports.moving import Upgrade

if TYPE_CHECKING:
    from abathur.infrastructure.database.engines.base import Engine, SchemaConnection, Session

C = TypeVar("C")

MEMORY: Final = ":memory:"
LOGIN: Final = re.compile(r"\b(?:dbname|password)\s*=", re.IGNORECASE)
"""In the other form that PostgreSQL's own programs take instead of a URL."""
PATIENCE: Final = 30.0
"""Seconds that an operation waits for other processes, or for a server."""


def file_of(where: Path | str) -> Path | None:
    """The file that is meant, absolute; None for a database in memory or on a server.

    Raises `DatabaseError`.
    """
    text = str(where)
    if text == MEMORY or is_url(text):
        return None
    if LOGIN.search(text):
        # Else the password would become the name of a file.
        raise DatabaseError(
            "the database is named by words like `dbname=...`; give the path of a file, or a URL "
            "like postgresql://user@host/database"
        )
    if text in ("", "."):
        raise DatabaseError("a database needs a path; give that of a file")
    return Path(where).expanduser().resolve()


def name_of(where: Path | str) -> str:
    """For people: without a password. Raises `DatabaseError`."""
    text = str(where)
    return shown(text) if is_url(text) else str(file_of(where) or MEMORY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What an engine is opened with."""

    patience: float
    """Seconds that an operation waits for other processes, or for a server."""
    may_migrate: bool
    """Lets it change the schema of a database on a server; files are always brought up to date."""
    only_reads: bool
    """Lets a file be read that has no room to be opened, or may not be written."""
    upgraded: Callable[[Upgrade], None]
    """Told what was done to the tables."""


def engine_for(
    where: Path | str, open_stores: Callable[[Session], C], opening: Opening
) -> Engine[C]:
    """The engine, not opened. Raises `DatabaseError`."""
    if is_url(str(where)):
        return _server_engine(str(where), open_stores, opening)
    from abathur.infrastructure.database.engines.sqlite_engine import SqliteEngine

    converted: list[Upgrade] = []

    def convert(path: Path, timeout: float) -> None:
        converted.extend(_convert(path, timeout))

    def prepare(schema: SchemaConnection) -> None:
        done = migrate.upgrade(schema, migrate.load("sqlite"))
        opening.upgraded(converted.pop() if converted else done)

    def require(schema: SchemaConnection) -> None:
        opening.upgraded(migrate.require(schema, migrate.load("sqlite")))

    return SqliteEngine(
        file_of(where),
        statements=queries.load("sqlite"),
        open_stores=open_stores,
        prepare=prepare,
        convert=convert,
        require=require if opening.only_reads else None,
        busy_timeout=opening.patience,
    )


def _convert(path: Path, timeout: float) -> Iterator[Upgrade]:
    """What was done, if anything had to be."""
    # Imported when it is needed: hardly ever.
    from abathur.infrastructure.database.legacy.convert import convert

    done = convert(path, timeout)
    if done is not None:
        after = len(migrate.load("sqlite"))
        yield Upgrade(str(path), 0, after, copy=done.original, converts=True)


def server_is_ahead(url: str) -> timedelta:
    """By how much the server's clock differs from this machine's. Raises `DatabaseError`."""
    name = shown(url)
    with driver_needed():
        from abathur.infrastructure.database.engines.postgres_server import Server
    server = Server(url, name, PATIENCE)
    with server.connected():
        return server.now() - SystemClock().now()


@contextmanager
def driver_needed() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise DatabaseError(
            "PostgreSQL needs a driver that isn't installed; run `pip install 'abathur[postgres]'`"
        ) from error


def _server_engine(url: str, open_stores: Callable[[Session], C], opening: Opening) -> Engine[C]:
    # Refused before the driver is looked for: what is wrong may be the name.
    shown(url)
    with driver_needed():
        from abathur.infrastructure.database.engines.postgres_engine import PostgresEngine

    def prepare(schema: SchemaConnection) -> None:
        migrations = migrate.load("postgres")
        if opening.may_migrate:
            opening.upgraded(migrate.upgrade(schema, migrations))
        else:
            opening.upgraded(migrate.require(schema, migrations))

    return PostgresEngine(
        url,
        statements=queries.load("postgres"),
        open_stores=open_stores,
        prepare=prepare,
        save=partial(_save, url),
        patience=opening.patience,
    )


def _save(url: str, target: Path) -> None:
    from abathur.infrastructure.database.engines.postgres_bulk import PostgresBulk
    from abathur.infrastructure.database.engines.sqlite_bulk import SqliteBulk
    from abathur.infrastructure.database.transfer import save

    make = partial(migrate.upgrade, migrations=migrate.load("sqlite"))
    with PostgresBulk(url).reading() as there:
        save(there, SqliteBulk(target, make), target)
