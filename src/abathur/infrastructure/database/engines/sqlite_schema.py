"""One connection while its schema is looked at and brought up to date."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from abathur.domain.errors import DatabaseError, IntegrityViolation
from abathur.domain.wording import count
from abathur.infrastructure.database.engines import sqlite
from abathur.infrastructure.database.engines.sqlite import Connection, translated
from abathur.infrastructure.database.engines.sqlite_copies import dated_copy, prune, sweep
from abathur.infrastructure.database.engines.sqlite_inspection import columns, quoted, user_tables
from abathur.infrastructure.database.engines.sqlite_lock import Turns, taken
from abathur.infrastructure.database.engines.sqlite_swap import Identity, identity

Values = tuple[Any, ...]

UPGRADE: Final = r"schema-\d+"
"""The label of copies that are made before upgrades: which schema they have."""


@dataclass(frozen=True, slots=True)
class UpgradeCopy:
    """Meets `base.SavedCopy`."""

    database: Path
    path: Path

    def discard(self) -> None:
        with suppress(OSError):
            self.path.unlink()

    def settle(self) -> None:
        prune(self.database, UPGRADE)


class ReplacedError(Exception):
    """Another file was put in the place of the one that is open."""


class SqliteSchema:
    """Meets `base.SchemaConnection`."""

    def __init__(
        self,
        connection: Connection,
        path: Path | None,
        where: str,
        turns: Turns,
        timeout: float,
        *,
        opened: Identity | None = None,
    ) -> None:
        """`opened` is the file that was at the path right before; None for one that is made."""
        self._connection = connection
        self._path = path
        self._where = where
        self._turns = turns
        self._timeout = timeout
        self._identity = opened or (path and identity(path))

    @property
    def where(self) -> str:
        return self._where

    def rows(self, sql: str, params: Sequence[object] = ()) -> list[Values]:
        with translated(self._where, self._connection):
            return self._connection.execute(sql, tuple(params)).fetchall()

    def tables(self) -> list[str]:
        with translated(self._where, self._connection):
            return user_tables(self._connection)

    def columns(self, table: str) -> list[str]:
        with translated(self._where, self._connection):
            return columns(self._connection, table)

    def now(self) -> str:
        ((text,),) = self.rows("SELECT strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')")
        return str(text)

    def is_complete(self, sql: str) -> bool:
        return sqlite.is_complete(sql)

    @contextmanager
    def alone(self) -> Iterator[None]:
        with taken(self._turns, self._where, self._timeout):
            if self.is_replaced():
                raise ReplacedError
            yield

    def is_replaced(self) -> bool:
        """Whether another file is at the path, so that this one leads nowhere."""
        return self._path is not None and identity(self._path) != self._identity

    @contextmanager
    def step(self) -> Iterator[None]:
        # With the keys on, rebuilding a table would delete the rows that point to it.
        self.rows("PRAGMA foreign_keys = OFF")
        try:
            self.rows("BEGIN IMMEDIATE")
            # What was broken before, as by removing rows by hand, is for `db check` to fix, which
            # opens the database first.
            before = self._broken_keys()
            yield
            self._refuse_broken(self._broken_keys() - before)
            self.rows("COMMIT")
        finally:
            if self._connection.in_transaction:
                self.rows("ROLLBACK")
            self.rows("PRAGMA foreign_keys = ON")

    def save_copy(self, version: int) -> UpgradeCopy | None:
        if self._path is None or not self._has_data():
            return None
        sweep(self._path, UPGRADE)
        with translated(self._where, self._connection):
            return UpgradeCopy(
                self._path, dated_copy(self._connection, self._path, f"schema-{version}")
            )

    def use_log(self) -> None:
        """Writers that don't block readers; stored in the file, so mostly it is there already."""
        if self._path is None or self.rows("PRAGMA journal_mode") == [("wal",)]:
            return
        with self.alone():
            mode = self.rows("PRAGMA journal_mode = WAL")
        if mode != [("wal",)]:
            raise DatabaseError(
                f"`{self._where}` can't have a write-ahead log; put it on a local disk"
            )

    def _has_data(self) -> bool:
        return any(
            self.rows(f"SELECT 1 FROM {quoted(table)} LIMIT 1")
            for table in self.tables()
            if table != "schema_migrations"
        )

    def _broken_keys(self) -> Counter[tuple[str, str]]:
        """How many rows of which table point to nothing in which other one."""
        rows = self.rows("PRAGMA foreign_key_check")
        return Counter((table, parent) for table, _, parent, _ in rows)

    def _refuse_broken(self, broken: Counter[tuple[str, str]]) -> None:
        for (table, parent), number in broken.items():
            rule = f"{count(number, 'row')} of {table} would point to nothing in {parent}"
            raise IntegrityViolation(f"`{self._where}`: {rule}", rule)
