"""Whatever is done in whatever order: it works, or a typed error says what to do.

Never `no such table`, never an exception of the driver, and nobody waits for ever.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TextIO

import psycopg
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from abathur.infrastructure.database.engines.sqlite import checkpoint_on_close, connect
from tests import postgres

SCRIPT = Path(__file__).with_name("obedient.py")
PATIENCE = 60.0
"""Seconds after which an answer is taken for a hang; more than all time-outs together."""

LEAK = re.compile(r"no such|apsw|sqlite3|psycopg|traceback|SQLError|Errno|\bNone\b", re.IGNORECASE)
ADVICE = re.compile(r"; `?\w+|: \w+ .*--db|\bname (?:a|another) file\b")

# SQLite's own, each made by other means than ours.
EMPTY_DATABASE = "PRAGMA user_version = 7"
SONGS = "CREATE TABLE songs (id INTEGER)"
SUFFIXES = ("", "-wal", "-shm", ".lock")


@dataclass
class Process:
    """One that was forked to serve us."""

    pid: int
    lines: TextIO

    def ask(self, name: str, operation: str) -> None:
        self.lines.write(f"{name} {operation}\n")
        self.lines.flush()

    def answers(self) -> Sequence[Any]:
        return json.loads(self.lines.readline())  # type: ignore[no-any-return]

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.lines.close()


class Uses(RuleBasedStateMachine):
    """Two processes with three objects each, two of them at one place with which people meddle."""

    folder: ClassVar[Path]
    place: ClassVar[str]
    seen: ClassVar[set[str]]

    def __init__(self) -> None:
        super().__init__()
        self.clear()
        self.processes = [self.start(), self.start()]

    def clear(self) -> None:
        raise NotImplementedError

    def start(self) -> Process:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(PATIENCE)
        connection.connect(str(self.folder / "socket"))
        lines = connection.makefile("rw")
        connection.close()
        return Process(int(lines.readline()), lines)

    def judge(self, operation: str, outcomes: Sequence[Any]) -> None:
        for found in outcomes:
            kind, message, is_typed = found or ("", "", True)
            self.seen.add(kind)
            told = f"{operation}: {kind}: {message}"
            assert is_typed, told
            assert not LEAK.search(message), told
            assert not message or ADVICE.search(message), told

    @rule(
        who=st.sampled_from([0, 1]),
        name=st.sampled_from(["first", "second", "other"]),
        operation=st.sampled_from(["initialize", "initialize", "use", "close", "rush", "vanish"]),
    )
    def one(self, who: int, name: str, operation: str) -> None:
        self.processes[who].ask(name, operation)
        self.judge(operation, self.processes[who].answers())

    @rule(
        names=st.tuples(*[st.sampled_from(["first", "second"])] * 2),
        operations=st.tuples(*[st.sampled_from(["initialize", "use", "rush", "close"])] * 2),
    )
    def both_at_once(self, names: tuple[str, str], operations: tuple[str, str]) -> None:
        for process, name, operation in zip(self.processes, names, operations, strict=True):
            process.ask(name, operation)
        for process, operation in zip(self.processes, operations, strict=True):
            self.judge(operation, process.answers())

    @rule(who=st.sampled_from([0, 1]), name=st.sampled_from(["first", "other"]))
    def fork(self, who: int, name: str) -> None:
        self.processes[who].ask(name, "fork")
        self.judge("fork", self.processes[who].answers())

    @rule(who=st.sampled_from([0, 1]), is_busy=st.booleans())
    def kill(self, who: int, is_busy: bool) -> None:
        if is_busy:
            self.processes[who].ask("first", "rush")
        self.processes[who].kill()
        self.processes[who] = self.start()

    def teardown(self) -> None:
        for process in self.processes:
            process.kill()


class OfAFile(Uses):
    @property
    def file(self) -> Path:
        return Path(self.place)

    def clear(self) -> None:
        for suffix in SUFFIXES:
            self.file.with_name(self.file.name + suffix).unlink(missing_ok=True)

    @rule(
        how=st.sampled_from(["all", "file", "log", "zero", "tables", "songs", "garbage", "emptied"])
    )
    def meddle(self, how: str) -> None:
        match how:
            case "all":
                self.clear()
            case "file":
                self.file.unlink(missing_ok=True)
            case "log":
                self.file.with_name(f"{self.file.name}-wal").unlink(missing_ok=True)
            case "zero":
                self.file.write_bytes(b"")
            case "tables":
                self.replace(EMPTY_DATABASE)
            case "songs":
                self.replace(SONGS)
            case "garbage":
                self.file.write_bytes(b"Dear database,\n" * 400)
            case "emptied":
                self.clear()
                self.file.touch()

    def replace(self, sql: str) -> None:
        other = self.folder / "other"
        other.unlink(missing_ok=True)
        connection = connect(str(other), busy_timeout=1)
        connection.execute(sql)
        checkpoint_on_close(connection)
        connection.close()
        other.replace(self.file)


class OnAServer(Uses):
    """Its third object may make the tables."""

    server: ClassVar[str]

    def clear(self) -> None:
        self.tell("DROP SCHEMA public CASCADE; CREATE SCHEMA public")

    def tell(self, sql: str, url: str | None = None) -> None:
        with psycopg.connect(url or self.place, autocommit=True) as connection:
            connection.execute(sql.encode())

    @rule(
        how=st.sampled_from(
            ["all", "songs", "table", "column", "version", "newer", "connections", "database"]
        )
    )
    def meddle(self, how: str) -> None:
        # Some of it can't be done to what isn't there.
        with suppress(psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn):
            match how:
                case "all":
                    self.clear()
                case "songs":
                    self.clear()
                    self.tell(SONGS)
                case "table":
                    self.tell("DROP TABLE audit")
                case "column":
                    self.tell("ALTER TABLE tasks RENAME COLUMN prompt TO text")
                case "version":
                    self.tell("DROP TABLE schema_migrations")
                case "newer":
                    self.tell("INSERT INTO schema_migrations VALUES (9999, 'newer', '', '')")
                case "connections":
                    self.tell(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    )
                case "database":
                    name = Path(self.place.partition("?")[0]).name
                    self.tell(f'DROP DATABASE "{name}" WITH (FORCE)', self.server)
                    self.processes[0].ask("first", "rush")
                    self.judge("rush", self.processes[0].answers())
                    self.tell(f'CREATE DATABASE "{name}" TEMPLATE template0', self.server)


@contextmanager
def obeyed(kind: type[Uses], place: str, seconds: float, **more: object) -> Iterator[type[Uses]]:
    # A socket's name must be short.
    with tempfile.TemporaryDirectory(prefix="abathur-") as name:
        folder = Path(name)
        place = place or str(folder / "queue.db")
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, str(SCRIPT), str(folder / "socket"), place, str(seconds)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as server:
            assert server.stdout is not None
            assert server.stdout.readline() == "ready\n"
            members = {"folder": folder, "place": place, "seen": set(), **more}
            yield type("Chaos", (kind,), members)
            server.kill()


def test_every_use_works_or_says_what_to_do() -> None:
    with obeyed(OfAFile, "", 5) as chaos:
        run(chaos, examples=25)
    # Not vacuous: much worked, and much was refused.
    assert {"", "DatabaseClosedError", "DatabaseError"} <= chaos.seen


def test_every_use_of_a_server_works_or_says_what_to_do(postgres_server: str) -> None:
    name = f"typed_{os.getpid()}"
    with (
        postgres.made_database(postgres_server, name) as url,
        obeyed(OnAServer, url, 0.2, server=postgres_server) as chaos,
    ):
        run(chaos, examples=6)
    assert {"", "DatabaseClosedError", "MigrationError"} <= chaos.seen


def run(chaos: type[Uses], examples: int) -> None:
    run_state_machine_as_test(
        chaos,
        settings=settings(
            max_examples=examples,
            stateful_step_count=12,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
