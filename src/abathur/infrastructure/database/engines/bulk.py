"""What copying a whole database into another one needs from an engine. Knows no driver.

All of it blocks and belongs to one thread. Values are those that all engines store alike: None,
int, float, str and bytes; times and JSON are text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeAlias

Value: TypeAlias = int | float | str | bytes | None
Values: TypeAlias = tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Table:
    name: str
    columns: tuple[str, ...]
    parents: frozenset[str] = frozenset()
    """Other tables that its foreign keys point to."""


class Rows(Protocol):
    """One state of a database, whatever others write meanwhile."""

    @property
    def where(self) -> str:
        """The database, to be named in messages."""
        ...

    @property
    def engine(self) -> str:
        """The name of its folder of migrations."""
        ...

    @property
    def own(self) -> frozenset[str]:
        """Tables that a database of this engine writes for itself: not to be copied."""
        ...

    def tables(self) -> Sequence[Table]:
        """All that somebody created, by name."""
        ...

    def rows(self, table: Table) -> Iterator[Values]:
        """In any order, a few at a time."""
        ...

    def fetch(self, name: str, **params: object) -> Sequence[Values]:
        """What a statement of this name returns."""
        ...

    def counters(self) -> Mapping[str, int]:
        """Tables that number their rows, with the highest number given so far."""
        ...


class Loading(Rows, Protocol):
    """One transaction on a database with tables of the present schema and without rows."""

    def insert(self, table: Table, rows: Iterable[Values]) -> None:
        """Keys are checked by `check_keys`, not here."""
        ...

    def check_keys(self) -> None:
        """Raises `IntegrityViolation` when a row points to one that isn't there."""
        ...

    def count_on(self, counters: Mapping[str, int]) -> None:
        """Number further rows from there."""
        ...


class Replacing(Loading, Protocol):
    """One transaction in which the rows of a database are exchanged."""

    def lock(self, tables: Iterable[Table]) -> None:
        """Keep everybody else out of them until the end."""
        ...

    def empty(self, tables: Iterable[Table]) -> None:
        """Remove all rows, and what is made of them."""
        ...

    def leave_keys(self) -> None:
        """Take rows that point to nothing, too. Raises `DatabaseReadOnlyError`."""
        ...


class Bulk(Protocol):
    """A database as a whole, given by its place; nobody need have opened it."""

    def reading(self) -> AbstractContextManager[Rows]:
        """Raises `NotFoundError` when there is none. Changes nothing, and hinders no writer."""
        ...

    def loading(self) -> AbstractContextManager[Loading]:
        """Makes the database if need be. What was loaded is there, and durable, when the context
        ends, and only then: after an exception or a kill the place is as it was.

        Raises `InvalidInputError` when there are rows already.
        """
        ...
