"""Processes that do with databases what they are told: `python obedient.py SOCKET PLACE SECONDS`.

The place is a file or a URL; the seconds are how long an operation waits for others.

Each connection to the socket is served by a process of its own, which is forked from one that has
no database. It says its number, then answers each line `OBJECT OPERATION` by a JSON list of
outcomes: null for what worked, else the error's class, its message, and whether it is one of ours.
"""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from functools import partial
from typing import Any

from abathur.domain.audit import Action, AuditEntry
from abathur.domain.errors import AbathurError
from abathur.infrastructure.database import Database
from abathur.ports.stores import Stores

Outcome = tuple[str, str, bool] | None


def add(stores: Stores) -> None:
    stores.audit.append(
        AuditEntry(
            timestamp=datetime(2030, 1, 1, tzinfo=UTC),
            task_id="a",
            action_type=Action.TASK_SUBMITTED,
            actor="test",
        )
    )


def look(stores: Stores) -> None:
    stores.audit.recent(10)
    stores.tasks.counts()


async def outcome(work: Awaitable[object]) -> Outcome:
    try:
        await work
    except Exception as error:
        return type(error).__name__, str(error), isinstance(error, AbathurError)
    return None


def uses(db: Database) -> list[Coroutine[Any, Any, object]]:
    return [
        db.write(add),
        db.read(look),
        db.query("SELECT count(*) FROM tasks"),
        db.query("SELECT * FROM nowhere"),
        db.info(),
        db.check(),
        db.planned_upgrade(),
        woken(db),
    ]


async def woken(db: Database) -> None:
    async with db.wakeups() as wakeups:
        await wakeups.wait(0)


async def one_by_one(works: list[Coroutine[Any, Any, object]]) -> list[Outcome]:
    return [await outcome(work) for work in works]


async def at_once(works: list[Coroutine[Any, Any, object]]) -> list[Outcome]:
    return list(await asyncio.gather(*map(outcome, works)))


async def initialize(db: Database) -> list[Outcome]:
    return [await outcome(db.initialize())]


async def close(db: Database) -> list[Outcome]:
    return [await outcome(db.close())]


async def use(db: Database) -> list[Outcome]:
    return await one_by_one(uses(db))


async def rush(db: Database) -> list[Outcome]:
    """Everything at once, in whatever order it comes."""
    return await at_once([db.initialize(), *uses(db), db.initialize()])


async def vanish(db: Database) -> list[Outcome]:
    """Closed while it is used."""
    return await at_once([*uses(db), db.close(), *uses(db)])


def fork(place: str, db: Database) -> list[Outcome]:
    """A child uses what its parent made, and a database of its own at the same place."""
    told, answer = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        results = asyncio.new_event_loop().run_until_complete(in_the_child(place, db))
        os.write(answer, json.dumps(results).encode())
        os._exit(0)
    os.close(answer)
    with os.fdopen(told) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return json.loads(text)  # type: ignore[no-any-return]


async def in_the_child(place: str, db: Database) -> list[Outcome]:
    fresh = Database(place)
    found = await one_by_one([*uses(db), db.initialize(), *uses(db), db.close()])
    return [
        *found,
        *await one_by_one([fresh.initialize(), *uses(fresh), fresh.close()]),
    ]


OPERATIONS: dict[str, Callable[[Database], Any]] = {
    "initialize": initialize,
    "close": close,
    "use": use,
    "rush": rush,
    "vanish": vanish,
}


def serve(connection: socket.socket, place: str, seconds: float) -> None:
    is_server = "://" in place
    databases = {
        "first": Database(place, busy_timeout=seconds),
        "second": Database(place, busy_timeout=seconds),
        "other": Database(
            place if is_server else ":memory:", busy_timeout=seconds, may_migrate=is_server
        ),
    }
    operations: dict[str, Callable[[Database], Any]] = {**OPERATIONS, "fork": partial(fork, place)}
    loop = asyncio.new_event_loop()
    with connection.makefile("rw") as lines:
        lines.write(f"{os.getpid()}\n")
        lines.flush()
        while line := lines.readline():
            name, operation = line.split()
            found = operations[operation](databases[name])
            if asyncio.iscoroutine(found):
                found = loop.run_until_complete(found)
            lines.write(json.dumps(found) + "\n")
            lines.flush()


def main(address: str, place: str, seconds: float) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    # What it imports need not be imported by each of the others.
    Database(place)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(address)
    listening.listen()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        connection, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            try:
                serve(connection, place, seconds)
            finally:
                os._exit(0)
        connection.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
