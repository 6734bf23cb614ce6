"""Upgrades a database as often as it has steps, and dies by SIGKILL before each of them in turn.

Arguments: a folder, how many migrations of which line ran before, and 1 to die at each step or 3
to die at each third. After each death another process opens the database. Prints the steps as
JSON, or what was wrong.
"""

import json
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from abathur.infrastructure.database import migrate
from abathur.infrastructure.database.engines import sqlite_copies, sqlite_engine
from abathur.infrastructure.database.engines.base import Session
from abathur.infrastructure.database.engines.sqlite import Connection, checkpoint_on_close, connect
from abathur.infrastructure.database.engines.sqlite_engine import SqliteEngine
from abathur.infrastructure.database.migrate import Migration
from tests.infrastructure.database.schemas import contents, described, fill
from tests.infrastructure.database.test_upgrades import LINES, kept

FILES = frozenset({"os.link", "os.remove", "os.rename"})


class Steps:
    """Counts what a process does to a database and the files beside it."""

    def __init__(self, fatal: int) -> None:
        self._fatal = fatal
        self.names: list[str] = []

    def watch(self) -> None:
        for module in (sqlite_engine, sqlite_copies):
            module.connect = self._traced(module.connect)  # type: ignore[attr-defined]
        sys.addaudithook(lambda event, _: self._step(event) if event in FILES else None)
        sync = os.fsync

        def fsync(fd: Any) -> None:
            self._step("fsync")
            sync(fd)

        os.fsync = fsync

    def _traced(self, real: Callable[..., Connection]) -> Callable[..., Connection]:
        def connect(*args: Any, **kwargs: Any) -> Connection:
            connection = real(*args, **kwargs)
            connection.exec_trace = self._statement
            return connection

        return connect

    def _statement(self, _: object, sql: str, __: object) -> bool:
        self._step(" ".join(sql.split()[:2]))
        return True

    def _step(self, name: str) -> None:
        self.names.append(name)
        if len(self.names) == self._fatal:
            os.kill(os.getpid(), signal.SIGKILL)


def upgrade(path: Path, line: tuple[Migration, ...]) -> None:
    engine: SqliteEngine[Session] = SqliteEngine(
        path,
        statements={},
        open_stores=lambda session: session,
        prepare=partial(migrate.upgrade, migrations=line),
    )
    engine.open()
    engine.close()


def die(path: Path, line: tuple[Migration, ...], fatal: int, report: Path) -> None:
    steps = Steps(fatal)
    steps.watch()
    upgrade(path, line)
    report.write_text(json.dumps(steps.names))


def state(path: Path) -> tuple[Any, Any, Any]:
    connection = connect(str(path), busy_timeout=1)
    found = described(connection), contents(connection), connection.pragma("integrity_check")
    connection.close()
    return found


def prepare(folder: Path, line: tuple[Migration, ...], ran: int) -> None:
    upgrade(folder / "fresh.db", line)
    if ran:
        upgrade(folder / "old.db", line[:ran])
        connection = connect(str(folder / "old.db"), busy_timeout=1)
        fill(connection)
        # Into the file, which is copied for each death.
        checkpoint_on_close(connection)
        connection.close()


def look(folder: Path, path: Path, line: tuple[Migration, ...], ran: int) -> None:
    """What is there after the next start."""
    upgrade(path, line)
    schema, rows, verdict = state(path)
    assert verdict == "ok"
    assert schema == state(folder / "fresh.db")[0]
    assert not list(path.parent.glob(".*")), "a copy that was broken off is left"
    copies = list(path.parent.glob("*.schema-*.bak"))
    if ran:
        before = state(folder / "old.db")[:2]
        assert kept(before[1], rows) == before[1]
        first = [copy for copy in copies if f".schema-{ran}." in copy.name]
        assert first
        assert all(state(copy)[:2] == before for copy in first)
    else:
        assert copies == []


def forked(work: Callable[..., None], *args: Any) -> int:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work(*args)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(folder: Path, name: str, ran: int, stride: int) -> None:
    # All that touches SQLite happens in children: what a parent has open its children can't use.
    line, report = LINES[name], folder / "steps.json"
    assert forked(prepare, folder, line, ran) == 0
    for fatal in count(1, stride):
        place = folder / str(fatal)
        place.mkdir()
        path = place / "notes.db"
        if ran:
            shutil.copy(folder / "old.db", path)
        ended = forked(die, path, line, fatal, report)
        assert ended in (0, -signal.SIGKILL), f"step {fatal} ended with {ended}"
        assert forked(look, folder, path, line, ran) == 0, f"after step {fatal}"
        shutil.rmtree(place)
        if ended == 0:
            break
    sys.stdout.write(report.read_text())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
