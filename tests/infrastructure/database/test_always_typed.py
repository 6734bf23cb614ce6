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
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TextIO

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from abathur.infrastructure.database.engines.sqlite import checkpoint_on_close, connect

SCRIPT = Path(__file__).with_name("obedient.py")
PATIENCE = 60.0
"""Seconds after which an answer is taken for a hang; more than all time-outs together."""

LEAK = re.compile(r"no such|apsw|sqlite3|traceback|SQLError|Errno|\bNone\b", re.IGNORECASE)
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


class Chaos(RuleBasedStateMachine):
    """Two processes with two objects each on one file, and people who meddle with it."""

    folder: ClassVar[Path]
    seen: ClassVar[set[str]]

    def __init__(self) -> None:
        super().__init__()
        self.file = self.folder / "queue.db"
        self.clear()
        self.processes = [self.start(), self.start()]

    def start(self) -> Process:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(PATIENCE)
        connection.connect(str(self.folder / "socket"))
        lines = connection.makefile("rw")
        connection.close()
        return Process(int(lines.readline()), lines)

    def clear(self) -> None:
        for suffix in SUFFIXES:
            self.file.with_name(self.file.name + suffix).unlink(missing_ok=True)

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
        name=st.sampled_from(["first", "second", "memory"]),
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

    @rule(who=st.sampled_from([0, 1]), name=st.sampled_from(["first", "memory"]))
    def fork(self, who: int, name: str) -> None:
        self.processes[who].ask(name, "fork")
        self.judge("fork", self.processes[who].answers())

    @rule(who=st.sampled_from([0, 1]), is_busy=st.booleans())
    def kill(self, who: int, is_busy: bool) -> None:
        if is_busy:
            self.processes[who].ask("first", "rush")
        self.processes[who].kill()
        self.processes[who] = self.start()

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

    def teardown(self) -> None:
        for process in self.processes:
            process.kill()


@pytest.fixture
def chaos() -> Iterator[type[Chaos]]:
    # A socket's name must be short.
    with tempfile.TemporaryDirectory(prefix="abathur-") as name:
        folder = Path(name)
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, str(SCRIPT), str(folder / "socket"), str(folder / "queue.db")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as server:
            assert server.stdout is not None
            assert server.stdout.readline() == "ready\n"
            yield type("Chaos", (Chaos,), {"folder": folder, "seen": set()})
            server.kill()


def test_every_use_works_or_says_what_to_do(chaos: type[Chaos]) -> None:
    run_state_machine_as_test(
        chaos,
        settings=settings(
            max_examples=25,
            stateful_step_count=12,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    # Not vacuous: much worked, and much was refused.
    assert {"", "DatabaseClosedError", "DatabaseError"} <= chaos.seen
