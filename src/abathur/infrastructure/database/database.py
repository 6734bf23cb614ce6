"""The database: one object for a file, or for a database in memory."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, Final, ParamSpec, Self, TypeVar

from abathur.domain.errors import DatabaseError
from abathur.domain.problems import SHOWN, Problem
from abathur.infrastructure.database import migrate, queries
from abathur.infrastructure.database.engines.base import Engine, SchemaConnection
from abathur.infrastructure.database.engines.jobs import apart, closed
from abathur.infrastructure.database.engines.sqlite_engine import BUSY_TIMEOUT, SqliteEngine
from abathur.infrastructure.database.migrate import Migration
from abathur.infrastructure.database.stores import open_stores
from abathur.infrastructure.database.wakeups import Mailboxes, SqliteWakeups
from abathur.ports.moving import Upgrade
from abathur.ports.stores import Stores

P = ParamSpec("P")
T = TypeVar("T")

MEMORY: Final = ":memory:"


class Database:
    """Meets `ports.stores.UnitOfWork`. May be used from several threads and event loops."""

    def __init__(self, where: Path | str, *, busy_timeout: float = BUSY_TIMEOUT) -> None:
        self._path = _located(where)
        file = None if str(self._path) == MEMORY else self._path
        self._upgrades: list[Upgrade] = []
        self._engine: Engine[Stores] = SqliteEngine(
            file,
            statements=queries.load("sqlite"),
            open_stores=open_stores,
            prepare=partial(_prepare, migrate.load("sqlite"), self._upgrades),
            busy_timeout=busy_timeout,
        )
        self._mailboxes = None if file is None else Mailboxes(file)
        # One that is forgotten leaves no threads and no lock behind.
        weakref.finalize(self, _forget, self._engine, self._mailboxes).atexit = False

    @property
    def path(self) -> Path:
        return self._path

    @property
    def last_upgrade(self) -> Upgrade:
        """What `initialize()` did to the tables when it last opened the database."""
        if not self._upgrades:
            raise closed(str(self._path))
        return self._upgrades[-1]

    async def planned_upgrade(self) -> Upgrade:
        """What `initialize()` would do to the tables. Only looks: no file is made or changed."""
        return await apart(lambda: self._engine.examine(_examine))

    async def initialize(self) -> None:
        """Open the file and bring its tables up to date, creating both if need be.

        Any number of times, also from several processes at once; what is stored stays.
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
        """path, size, wal_size, sqlite_version, schema_version, journal_mode, rows (by table)."""
        return await self._engine.info()

    def wakeups(self) -> SqliteWakeups:
        """Word of commits from now on; close it or use it as an async context."""
        return SqliteWakeups(self._engine, self._mailboxes)


def _prepare(
    migrations: Sequence[Migration], upgrades: list[Upgrade], schema: SchemaConnection
) -> None:
    upgrades.append(migrate.upgrade(schema, migrations))


def _examine(schema: SchemaConnection) -> Upgrade:
    return migrate.examine(schema, migrate.load("sqlite"))


def _forget(engine: Engine[Stores], mailboxes: Mailboxes | None) -> None:
    engine.abandon()
    if mailboxes is not None:
        mailboxes.close()


def _row_problems(stores: Stores) -> Sequence[Problem]:
    return stores.upkeep.problems(SHOWN)


def _located(where: Path | str) -> Path:
    text = str(where)
    if text == MEMORY:
        return Path(MEMORY)
    if "://" in text:
        raise DatabaseError(f"`{text}`: only SQLite is supported yet; give the path of a file")
    if text in ("", "."):
        raise DatabaseError("a database needs a path; give that of a file")
    return Path(where).expanduser().resolve()
