"""Replaces a database again and again, killed one step later each time, and looks what is there.

Arguments: an empty folder, and what is done with the old file meanwhile: `closed`, `open` (another
process keeps it open) or `damaged`. Prints how many steps there were.
"""

import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

from abathur.infrastructure.database.engines import sqlite_swap

STEPS = {"open", "os.link", "os.rename", "os.remove"}


def in_a_child(work: Callable[[], None]) -> int:
    pid = os.fork()
    if pid == 0:
        work()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def make(path: Path, text: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE said (text TEXT)")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.execute("INSERT INTO said VALUES (?)", [text])


def hot(path: Path, text: str) -> None:
    """Leave the row in the log, as a program does that is killed."""

    def work() -> None:
        make(path, text)
        os.kill(os.getpid(), signal.SIGKILL)

    in_a_child(work)
    assert path.with_name(f"{path.name}-wal").stat().st_size


def said(path: Path) -> list[str]:
    connection = sqlite3.connect(path)
    try:
        return [text for (text,) in connection.execute("SELECT text FROM said")]
    finally:
        connection.close()


def replace_until(step: int, path: Path, fresh: Path, kept: Path) -> None:
    left = step

    def die(event: str, _: object) -> None:
        nonlocal left
        if event in STEPS:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(die)
    sqlite_swap.replace(path, fresh, kept, timeout=1)


def once(folder: Path, state: str, step: int) -> bool:
    """Whether the replacement came to its end before the step."""
    folder.mkdir()
    path, fresh, kept = folder / "a.db", folder / "new.db", folder / "a.db.old"
    hot(path, "old")
    in_a_child(lambda: make(fresh, "new"))
    connection = sqlite3.connect(fresh)
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()
    holder = sqlite3.connect(path) if state == "open" else None
    if holder:
        holder.execute("SELECT * FROM said").fetchall()
    if state == "damaged":
        with path.open("r+b") as file:
            file.write(b"garbage garbage garbage")
    ended = in_a_child(lambda: replace_until(step, path, fresh, kept))
    assert ended in (0, -signal.SIGKILL), ended
    if holder:
        holder.close()
    if state != "damaged":
        in_a_child(lambda: check_without_settling(path))
    sqlite_swap.settle(path)
    check(path, kept, state, done=ended == 0)
    return ended == 0


def check_without_settling(path: Path) -> None:
    assert said(path) in (["old"], ["new"])


def check(path: Path, kept: Path, state: str, *, done: bool) -> None:
    names = {file.name for file in path.parent.iterdir()} - {"a.db-shm", "a.db-wal"}
    replaced = path.read_bytes()[:6] == b"SQLite" and said(path) == ["new"]
    assert replaced or not done
    if not replaced:
        assert names <= {"a.db", "new.db", ".a.db.swap.partial"}, names
        assert state == "damaged" or said(path) == ["old"]
        assert state != "damaged" or path.with_name("a.db-wal").stat().st_size
        return
    assert "new.db" not in names
    assert "a.db.swap" not in names
    if state == "damaged":
        assert kept.read_bytes().startswith(b"garbage")
        assert kept.with_name("a.db.old-wal").stat().st_size
    else:
        assert said(kept) == ["old"]


def main(folder: str, state: str) -> None:
    for step in count(1):
        if once(Path(folder) / str(step), state, step):
            print(step)
            return


main(*sys.argv[1:])
