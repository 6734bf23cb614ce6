"""Databases on a server that a harness makes for itself, takes away for a while, and drops."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from abathur.domain.errors import InvalidInputError
from abathur.infrastructure.database.engines.postgres import Connection, connect, translated
from abathur.infrastructure.database.engines.postgres_address import shown

NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
WAIT: Final = 30.0
"""Seconds for a lock."""
END_OTHERS: Final = b"""
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = $1 AND pid <> pg_backend_pid()
"""
HAS_PGVECTOR: Final = b"SELECT 1 FROM pg_available_extensions WHERE name = 'vector'"


@contextmanager
def made(server: str, name: str) -> Iterator[str]:
    """The URL of a new, empty database beside the one of the URL `server`; dropped at the end.

    Raises `DatabaseError`, also when the user may not make one.
    """
    _run(server, f"CREATE DATABASE \"{_checked(name)}\" ENCODING 'UTF8' TEMPLATE template0")
    try:
        yield beside(server, name)
    finally:
        _run(server, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def beside(server: str, name: str) -> str:
    """The URL of another database on the same server, reached in the same way."""
    parts = urlsplit(server)
    pairs = [(key, value) for key, value in parse_qsl(parts.query) if key != "dbname"]
    query = f"?{urlencode(pairs)}" if pairs else ""
    # Put together by hand: of an empty host the library drops the slashes too.
    return f"{parts.scheme}://{parts.netloc}/{_checked(name)}{query}"


def close(server: str, name: str) -> None:
    """End all connections to it, and have the server refuse others until `reopen`."""
    with _connected(server) as connection:
        connection.execute(f'ALTER DATABASE "{_checked(name)}" ALLOW_CONNECTIONS false'.encode())
        connection.execute(END_OTHERS, (name,))


def reopen(server: str, name: str) -> None:
    _run(server, f'ALTER DATABASE "{_checked(name)}" ALLOW_CONNECTIONS true')


def drop_vectors(url: str) -> None:
    """Exchange the extension pgvector for a fresh one, with which its columns go.

    As when an administrator makes it anew; without the extension nothing happens.
    """
    with _connected(url) as connection:
        if connection.execute(HAS_PGVECTOR).fetchone():
            connection.execute(b"DROP EXTENSION IF EXISTS vector CASCADE")
            connection.execute(b"CREATE EXTENSION vector")


def _checked(name: str) -> str:
    if NAME.fullmatch(name) is None:
        raise InvalidInputError(f"{name!r} can't be the name of a database; use small letters")
    return name


def _run(url: str, sql: str) -> None:
    with _connected(url) as connection:
        connection.execute(sql.encode())


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    where = shown(url)
    connection = connect(url, where, wait=WAIT)
    try:
        with translated(where, connection):
            yield connection
    finally:
        connection.close()
