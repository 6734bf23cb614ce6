"""The database: one object for a file, a database in memory, or one on a server."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar

from abathur.domain.problems import SHOWN
from abathur.infrastructure.database import migrate
from abathur.infrastructure.database.engines.jobs import apart, closed
from abathur.infrastructure.database.engines.postgres_address import is_url
from abathur.infrastructure.database.opening import (
    PATIENCE,
    Opening,
    engine_for,
    file_of,
    name_of,
)
from abathur.infrastructure.database.signs import SignIndexes
from abathur.infrastructure.database.stores import open_stores
from abathur.infrastructure.database.wakeups import CommitWakeups, Mailboxes

if TYPE_CHECKING:
    from abathur.domain.problems import Problem
    from abathur.infrastructure.database.engines.base import Engine, Session
    from abathur.infrastructure.database.stores.vectors import SqlVectors
    from abathur.ports.clock import Clock
    from abathur.ports.moving import Upgrade
    from abathur.ports.stores import Stores

P = ParamSpec("P")
T = TypeVar("T")


class Database:
    """Meets `ports.stores.UnitOfWork`. May be used from several threads and event loops.

    `where` is the path of a SQLite file, `:memory:`, or a URL `postgresql://user@host/database`.
    `may_migrate` is for servers, whose schema is changed on request only; files are always brought
    up to date. Who `only_reads` can do so also while the file's disk is full, or where the file may
    not be written; writing is refused then by what was in the way of opening it.
    """

    def __init__(
        self,
        where: Path | str,
        *,
        busy_timeout: float = PATIENCE,
        may_migrate: bool = False,
        only_reads: bool = False,
    ) -> None:
        self._name = name_of(where)
        file = file_of(where)
        self._path = file or Path(self._name)
        self._upgrades: list[Upgrade] = []
        opening = Opening(
            patience=busy_timeout,
            may_migrate=may_migrate,
            only_reads=only_reads,
            upgraded=self._upgrades.append,
        )
        make_vectors = _server_vectors if is_url(str(where)) else None
        stores = partial(open_stores, indexes=SignIndexes(), make_vectors=make_vectors)
        self._engine: Engine[Stores] = engine_for(where, stores, opening)
        self._mailboxes = None if file is None else Mailboxes(file)
        # One that is forgotten leaves no threads and no lock behind.
        weakref.finalize(self, _forget, self._engine, self._mailboxes).atexit = False

    @property
    def path(self) -> Path:
        """The file; for a database that is none, its name."""
        return self._path

    @property
    def name(self) -> str:
        """Where it is, for people: never with a password."""
        return self._name

    @property
    def last_upgrade(self) -> Upgrade:
        """What `initialize()` did to the tables when it last opened the database."""
        if not self._upgrades:
            raise closed(self._name)
        return self._upgrades[-1]

    async def planned_upgrade(self) -> Upgrade:
        """What bringing the tables up to date would do. Only looks: no file is made or changed."""
        migrations = migrate.load(self._engine.features.name)
        look = partial(migrate.examine, migrations=migrations)
        return await apart(lambda: self._engine.examine(look))

    async def initialize(self) -> None:
        """Open the database.

        A file is created and brought up to date if need be, and one of an older version is
        converted, see `legacy`. Any number of times, also from several processes at once; what is
        stored stays. On a server the tables must be there and up to date, unless `may_migrate`:
        else raises `MigrationError`.
        """
        await apart(self._engine.open)
        if self._mailboxes is not None:
            self._engine.on_commit(self._mailboxes.post)

    async def close(self) -> None:
        """Finish what was asked for, then let go of the file. Any number of times."""
        await apart(self._engine.close)
        if self._mailboxes is not None:
            self._mailboxes.close()

    async def __aenter__(self) -> Self:
        await self.initialize()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def write(
        self, use_case: Callable[Concatenate[Stores, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return await self._engine.write(use_case, *args, **kwargs)

    async def read(
        self, query: Callable[Concatenate[Stores, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return await self._engine.read(query, *args, **kwargs)

    async def query(self, sql: str, params: Sequence[object] = ()) -> list[dict[str, Any]]:
        """Any statement that only reads, for diagnosis."""
        return await self._engine.query(sql, params)

    async def backup(self, target: Path) -> None:
        """A verified copy of the present state; nobody has to stop. Refuses to overwrite."""
        await self._engine.backup(target)

    async def check(self, full: bool = False) -> list[Problem]:
        """What is wrong with the file or its rows. Writers go on meanwhile."""
        problems = await self._engine.check(full)
        if any(problem.table is None for problem in problems):
            # What a damaged file says about its rows means nothing.
            return problems
        found = await self._engine.read(_row_problems)
        known = {(problem.table, problem.key) for problem in found}
        return [*found, *(one for one in problems if (one.table, one.key) not in known)]

    async def vacuum(self) -> None:
        """Give unused room back to the disk. Writers wait until it is done."""
        await self._engine.vacuum()

    async def info(self) -> dict[str, Any]:
        """path, size, schema_version, rows (by table), and what only the engine has."""
        return await self._engine.info()

    def clock(self) -> Clock:
        """The time that all share who use the database; leases are written by it.

        That of the machine for a file, that of the server for a database on one, after
        `initialize`.
        """
        return self._engine.clock()

    def wakeups(self) -> CommitWakeups:
        """Word of commits from now on; close it or use it as an async context."""
        return CommitWakeups(self._engine, self._mailboxes)


def _server_vectors(session: Session, indexes: SignIndexes) -> SqlVectors:
    # Imported when it is needed, as all stores are.
    from abathur.infrastructure.database.pgvector import PgVectors

    return PgVectors(session, indexes)


def _forget(engine: Engine[Stores], mailboxes: Mailboxes | None) -> None:
    engine.abandon()
    if mailboxes is not None:
        mailboxes.close()


def _row_problems(stores: Stores) -> Sequence[Problem]:
    return stores.upkeep.problems(SHOWN)
