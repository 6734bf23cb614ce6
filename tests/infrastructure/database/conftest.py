"""A small schema for tests of the engine, and other processes to share a file with."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from abathur.infrastructure.database import migrate
from abathur.infrastructure.database.engines.base import SchemaConnection, Session
from abathur.infrastructure.database.engines.sqlite_engine import SqliteEngine
from abathur.infrastructure.database.migrate import Migration
from abathur.infrastructure.database.queries import Statements

NOTES = Migration(
    1,
    "notes",
    "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE,\n"
    "  parent INTEGER REFERENCES notes (id) DEFERRABLE INITIALLY DEFERRED);\n",
)
STATEMENTS = Statements(
    add="INSERT INTO notes (text) VALUES (:text)",
    add_child="INSERT INTO notes (text, parent) VALUES (:text, :parent)",
    texts="SELECT text FROM notes ORDER BY id",
    count="SELECT count(*) AS n FROM notes",
    all="SELECT * FROM notes ORDER BY id",
    foreign_keys="PRAGMA foreign_keys",
    more_pages="PRAGMA max_page_count = 100000",
)

CHILDREN = Path(__file__).with_name("children.py")

OpenNotes = Callable[..., SqliteEngine[Session]]
StartChild = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def open_notes() -> Iterator[OpenNotes]:
    """Opens an engine whose use cases get the bare session."""
    opened: list[SqliteEngine[Session]] = []

    def start(
        path: Path | None = None,
        *,
        migrations: tuple[Migration, ...] = (NOTES,),
        prepare: Callable[[SchemaConnection], None] | None = None,
        require: Callable[[SchemaConnection], None] | None = None,
        busy_timeout: float = 30.0,
    ) -> SqliteEngine[Session]:
        engine = SqliteEngine(
            path,
            statements=STATEMENTS,
            open_stores=lambda session: session,
            prepare=prepare or partial(migrate.upgrade, migrations=migrations),
            require=require,
            busy_timeout=busy_timeout,
        )
        engine.open()
        opened.append(engine)
        return engine

    yield start
    for engine in opened:
        engine.close()


@pytest.fixture
def start_child() -> Iterator[StartChild]:
    """Starts a command of children.py with pipes, and sees to its end."""
    started: list[subprocess.Popen[str]] = []

    def start(command: str, *args: object) -> "subprocess.Popen[str]":
        child = subprocess.Popen(
            [sys.executable, CHILDREN, command, *map(str, args)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(child)
        return child

    yield start
    for child in started:
        with suppress(ProcessLookupError):
            child.kill()
        # A child that is gone already may have left unread input behind.
        with suppress(BrokenPipeError):
            child.communicate()
