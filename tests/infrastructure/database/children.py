"""Other processes for the tests: `python children.py COMMAND ARGS`. Each speaks by lines."""

import asyncio
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from abathur.domain.audit import Action, AuditEntry
from abathur.domain.errors import AbathurError, DatabaseError
from abathur.infrastructure.database import Database, migrate, queries
from abathur.infrastructure.database.engines.base import SchemaConnection
from abathur.infrastructure.database.engines.sqlite_engine import SqliteEngine
from abathur.ports.stores import Stores

NOBODY = 65534


def say(*words: object) -> None:
    print(*words, flush=True)


def add(stores: Stores, task_id: str, size: int = 0) -> None:
    stores.audit.append(
        AuditEntry(
            timestamp=datetime(2030, 1, 1, tzinfo=UTC),
            task_id=task_id,
            action_type=Action.TASK_SUBMITTED,
            actor="test",
            action_data={"filler": "x" * size},
        )
    )


async def acknowledge(path: str) -> None:
    """Write for ever, and say each id once it is durable."""

    async def caller(db: Database, name: int) -> None:
        number = 0
        while True:
            await db.write(add, f"{name}-{number}")
            say(f"{name}-{number}")
            number += 1

    async with Database(path) as db, asyncio.TaskGroup() as group:
        for name in range(8):
            group.create_task(caller(db, name))


async def initialize(path: str) -> None:
    say("ready")
    sys.stdin.readline()
    async with Database(path) as db:
        say((await db.info())["schema_version"])


async def write(path: str, name: str, count: str) -> None:
    """Write by four callers at once; say the longest wait in seconds."""
    longest = 0.0

    async def caller(db: Database, number: int) -> None:
        nonlocal longest
        for step in range(int(count)):
            start = time.monotonic()
            await db.write(add, f"{name}-{number}-{step}")
            longest = max(longest, time.monotonic() - start)

    async with Database(path) as db:
        say("ready")
        sys.stdin.readline()
        await asyncio.gather(*(caller(db, number) for number in range(4)))
    say(longest)


async def hold(path: str) -> None:
    """Keep the turn until a line comes."""

    def keep(stores: Stores) -> None:
        add(stores, "held")
        say("holding")
        sys.stdin.readline()

    async with Database(path) as db:
        await db.write(keep)
    say("done")


async def wait_for_commit(path: str) -> None:
    async with Database(path) as db, db.wakeups() as wakeups:
        say("ready")
        start = time.monotonic()
        woken = await wakeups.wait(30)
        say(woken, time.monotonic() - start)


async def limited(path: str) -> None:
    """Write under a file size limit until that fails, and once more without the limit."""
    async with Database(path) as db:
        await db.write(add, "before")
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (512 * 1024, hard))
        try:
            await db.write(add, "big", 1024 * 1024)
        except AbathurError as error:
            say(type(error).__name__, error)
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        await db.write(add, "after")
        say([row["task_id"] for row in await db.query("SELECT task_id FROM audit ORDER BY id")])
        say(await db.check(full=True))


async def as_nobody(path: str) -> None:
    """Initialize without the rights of the administrator."""
    if os.geteuid() == 0:
        os.setegid(NOBODY)
        os.seteuid(NOBODY)
    try:
        async with Database(path):
            say("opened")
    except DatabaseError as error:
        say(type(error).__name__, error)


async def leave(path: str) -> None:
    """End without closing, with work begun and a reader in use."""
    db = Database(path)
    await db.initialize()
    await db.write(add, "kept")
    await db.query("SELECT 1")
    say("leaving")


def fork(path: str) -> None:
    db = Database(path)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(db.initialize())
    child = os.fork()
    if child == 0:
        others = asyncio.new_event_loop()
        for attempt in (db.write(add, "forked"), db.query("SELECT 1"), db.initialize(), db.close()):
            try:
                others.run_until_complete(attempt)
            except DatabaseError as error:
                say(type(error).__name__, error)
        os._exit(0)
    os.waitpid(child, 0)
    loop.run_until_complete(db.write(add, "parent"))
    say(loop.run_until_complete(db.query("SELECT task_id FROM audit")))
    loop.run_until_complete(db.close())
    loop.close()


def fork_and_open(path: str) -> None:
    """A child of a process that has the file open opens it itself, and a file that it hasn't."""
    loop = asyncio.new_event_loop()
    db = Database(path)
    loop.run_until_complete(db.initialize())
    loop.run_until_complete(db.write(add, "only in the log"))
    child = os.fork()
    if child == 0:
        others = asyncio.new_event_loop()
        for place in (path, f"{path}.other"):
            try:
                others.run_until_complete(Database(place).initialize())
                say("opened")
            except DatabaseError as error:
                say(type(error).__name__, error)
        os._exit(0)
    os.waitpid(child, 0)
    loop.run_until_complete(db.close())
    child = os.fork()
    if child == 0:
        others = asyncio.new_event_loop()
        others.run_until_complete(db.initialize())
        say(others.run_until_complete(db.query("SELECT task_id FROM audit")))
        os._exit(0)
    os.waitpid(child, 0)
    loop.close()


class Killed:
    """A schema connection that dies at the given statement."""

    def __init__(self, schema: SchemaConnection, statements: int) -> None:
        self._schema = schema
        self._left = statements

    def __getattr__(self, name: str) -> object:
        return getattr(self._schema, name)

    def rows(self, sql: str, params: tuple[object, ...] = ()) -> object:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return self._schema.rows(sql, params)


def die_migrating(path: str, statements: str) -> None:
    def prepare(schema: SchemaConnection) -> None:
        killed: SchemaConnection = Killed(schema, int(statements))  # type: ignore[assignment]
        migrate.upgrade(killed, migrate.load("sqlite"))

    engine = SqliteEngine(
        Path(path),
        statements=queries.load("sqlite"),
        open_stores=lambda session: session,
        prepare=prepare,
    )
    engine.open()
    engine.close()


COMMANDS: dict[str, Callable[..., object]] = {
    "acknowledge": acknowledge,
    "as-nobody": as_nobody,
    "hold": hold,
    "initialize": initialize,
    "leave": leave,
    "limited": limited,
    "wait-for-commit": wait_for_commit,
    "write": write,
}
PLAIN: dict[str, Callable[..., object]] = {
    "die-migrating": die_migrating,
    "fork": fork,
    "fork-and-open": fork_and_open,
}

if __name__ == "__main__":
    name, *args = sys.argv[1:]
    if name in PLAIN:
        PLAIN[name](*args)
    else:
        asyncio.run(partial(COMMANDS[name], *args)())  # type: ignore[arg-type]
