"""What the stores and `Database` need from an engine. Knows no driver."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Protocol, TypeAlias, TypeVar

from abathur.domain.errors import AbathurError
from abathur.domain.problems import Problem
from abathur.ports.clock import Clock

P = ParamSpec("P")
T = TypeVar("T")
C_co = TypeVar("C_co", covariant=True)

Row: TypeAlias = dict[str, Any]
Columns: TypeAlias = tuple[str, ...]


class Session(Protocol):
    """One transaction. Statements go by their names in the .sql files, values by `:name`.

    Takes None, int, float, str, bytes, bool, enums, aware datetimes, and mappings and sequences
    as JSON. Raises `IntegrityViolation` when a constraint refuses, else another `DatabaseError`.
    """

    def execute(self, name: str, /, **params: object) -> int:
        """Rows changed."""
        ...

    def send(self, name: str, row: Mapping[str, object] | None = None, /, **params: object) -> None:
        """As `execute`, where nobody needs to know how many rows were changed.

        With `row` it takes the values of a record as they are, which saves copying them.

        May be done as late as with the next statement that returns something, or the commit, and
        raises there.
        """
        ...

    def save(
        self,
        name: str,
        only: Columns | None,
        missing: AbathurError | None,
        row: Mapping[str, object],
        /,
        **params: object,
    ) -> None:
        """Do an UPDATE of one row; of assignments like `column = :column` those of `only`.

        All of them when it is None: what isn't assigned costs no index its rewriting. Values are
        those of `row` and `params` together. Raises `missing`, where there is one, when no row is
        changed, as late as `send` does; what the transaction has written is undone then, even if
        somebody catches that.
        """
        ...

    def put_off(self, write: Callable[[list[Row]], None], alone: str, row: Row, /) -> None:
        """Have rows written together: before the commit, or before a statement reads the trail.

        Takes texts, and makes them such as the engine can store. `alone` names a statement that
        engines may have, which is cheaper for rows none of which follows another one of them.
        """
        ...

    def execute_many(self, name: str, rows: Iterable[Mapping[str, object]], /) -> None: ...

    def fetch(self, name: str, /, **params: object) -> list[Row]: ...

    def fetch_one(self, name: str, /, **params: object) -> Row | None: ...

    def foresee(self, name: str, many: str, looks_in: str = "", /, **key: object) -> None:
        """Say that `fetch_one` is going to ask for the row with this key, by the statement `name`.

        Where it is cheaper, it is read with those that others said so of, by `many`, which takes
        the keys. With names of tables it is said of a `fetch` that looks there, whose first
        value is the id of a task, and which mostly finds nothing: `many` returns the ids of those
        for which it would. The task has to be foreseen too, as this holds while it is locked.
        """
        ...

    def names(self, prefix: str) -> Sequence[str]:
        """Of the statements that begin so, in order."""
        ...


@dataclass(frozen=True, slots=True)
class Features:
    name: str
    """Of the folders with this engine's SQL and migrations."""
    row_locks: bool
    notifies: bool
    """Whether the engine itself tells other processes of a commit."""


class SavedCopy(Protocol):
    """The state before an upgrade, verified."""

    @property
    def path(self) -> Path: ...

    def discard(self) -> None:
        """The upgrade was undone: the copy is of what is still there."""
        ...

    def settle(self) -> None:
        """The upgrade is done: of the copies made before upgrades, only the newest few stay."""
        ...


class SchemaConnection(Protocol):
    """What a migration needs: raw SQL while no other process of ours can write."""

    @property
    def where(self) -> str:
        """The database, to be named in messages."""
        ...

    def rows(self, sql: str, params: Sequence[object] = ()) -> list[tuple[Any, ...]]: ...

    def tables(self) -> list[str]: ...

    def columns(self, table: str) -> list[str]:
        """Their names; empty when there is no such table."""
        ...

    def now(self) -> str:
        """The database's time, as times are stored."""
        ...

    def is_complete(self, sql: str) -> bool:
        """Whether a statement ends here; a `;` inside a trigger or a text doesn't end one."""
        ...

    def alone(self) -> AbstractContextManager[None]:
        """Keep other processes of ours from writing and migrating."""
        ...

    def step(self) -> AbstractContextManager[None]:
        """A transaction in which foreign keys are checked at the end only, as a whole."""
        ...

    def save_copy(self, version: int) -> SavedCopy | None:
        """A dated copy beside the file, which has this schema, when there is anything to lose."""
        ...


class Engine(Protocol[C_co]):
    """Runs functions in transactions. Futures belong to the event loop that is running."""

    @property
    def features(self) -> Features: ...

    def open(self) -> None:
        """Open and migrate; blocks. Any number of times, from any thread."""
        ...

    def examine(self, look: Callable[[SchemaConnection], T]) -> T:
        """Look at the schema without opening; blocks. No file is made or changed.

        Where there is no database, the schema is an empty one.
        """
        ...

    def close(self) -> None:
        """Finish what was accepted, then let go of the files; blocks. Any number of times."""
        ...

    def abandon(self) -> None:
        """As `close`, but doesn't wait."""
        ...

    def write(
        self, use_case: Callable[Concatenate[C_co, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[T]: ...

    def read(
        self, query: Callable[Concatenate[C_co, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[T]: ...

    def query(self, sql: str, params: Sequence[object]) -> asyncio.Future[list[Row]]: ...

    def backup(self, target: Path) -> asyncio.Future[None]: ...

    def check(self, full: bool) -> asyncio.Future[list[Problem]]:
        """What is wrong with how the rows are stored; what they say is looked at by the stores."""
        ...

    def vacuum(self) -> asyncio.Future[None]:
        """Give unused room back to the disk. Writers wait until it is done."""
        ...

    def info(self) -> asyncio.Future[dict[str, Any]]: ...

    def clock(self) -> Clock:
        """The time by which all that use the database go."""
        ...

    def data_version(self) -> int:
        """A number that is another one after any process's commit. Quick, does no I/O to speak of.

        Raises `DatabaseError`; `DatabaseClosedError` when there is nothing to ask any more.
        """
        ...

    def on_commit(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call the listener, on some thread, after commits of this engine that changed something.

        Returns what takes it off again.
        """
        ...
