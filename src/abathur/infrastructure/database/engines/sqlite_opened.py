"""A connection with the session and the stores that sit on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Concatenate, Generic, ParamSpec, TypeVar

from abathur.infrastructure.database.engines.base import Session
from abathur.infrastructure.database.engines.sqlite import Connection, translated
from abathur.infrastructure.database.engines.sqlite_files import OpenFiles
from abathur.infrastructure.database.engines.sqlite_session import SqliteSession

C = TypeVar("C")
P = ParamSpec("P")
T = TypeVar("T")


class Opened(Generic[C]):
    """Used by one thread at a time."""

    def __init__(
        self,
        connection: Connection,
        where: str,
        statements: Mapping[str, str],
        open_stores: Callable[[Session], C],
        files: OpenFiles | None,
    ) -> None:
        """`files` is None for a database in memory, which can't be taken away."""
        self.connection = connection
        self.files = files
        self.where = where
        self.session = SqliteSession(connection, statements, where)
        self.stores = open_stores(self.session)

    def snapshot(
        self, query: Callable[Concatenate[C, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a query of the stores that sees one state of the database all along."""
        self.session.begin()
        with self.reading():
            self.connection.execute("BEGIN")
            try:
                found = query(self.stores, *args, **kwargs)
                # What a query has no right to write is refused here.
                self.session.write_put_off()
                return found
            finally:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")

    def inspect(
        self, work: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run something that needs the bare connection and changes nothing."""
        with self.reading():
            return work(self.connection, *args, **kwargs)

    def borrow(
        self, work: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """As `inspect`, for what is no query: a copy into another file."""
        self.refuse_replaced()
        return work(self.connection, *args, **kwargs)

    def refuse_replaced(self) -> None:
        """Raises `DatabaseReplacedError` when the files of that name are others by now."""
        if self.files is not None:
            self.files.check()

    @contextmanager
    def reading(self) -> Iterator[None]:
        self.refuse_replaced()
        with translated(self.where, self.connection):
            # A connection in memory is the writer's at other times.
            self.connection.execute("PRAGMA query_only = ON")
            try:
                # While the switch is on, it tells a use case that writes from a file that can't
                # be written.
                with translated(self.where, self.connection):
                    yield
            finally:
                self.connection.execute("PRAGMA query_only = OFF")
