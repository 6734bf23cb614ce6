"""One file in the place of another."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from abathur.domain.errors import DatabaseBusyError, DatabaseError
from abathur.infrastructure.database.engines import sqlite_swap
from abathur.infrastructure.database.engines.sqlite import Connection, connect

KILLED = Path(__file__).with_name("killed_swap.py")


def opened(path: Path) -> Connection:
    return connect(str(path), busy_timeout=0)


def make(path: Path, text: str, mode: str = "WAL") -> None:
    connection = opened(path)
    connection.pragma("journal_mode", mode)
    connection.execute("CREATE TABLE said (text TEXT)")
    connection.execute("INSERT INTO said VALUES (?)", [text])
    connection.close()


def said(path: Path) -> list[str]:
    connection = opened(path)
    try:
        return [text for (text,) in connection.execute("SELECT text FROM said")]
    finally:
        connection.close()


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "a.db"
    make(path, "old")
    return path


@pytest.fixture
def new(tmp_path: Path) -> Path:
    path = tmp_path / "new.db"
    make(path, "new", "DELETE")
    return path


@pytest.mark.parametrize("alone", [True, False])
def test_the_new_one_is_there_and_the_old_one_is_kept(old: Path, new: Path, alone: bool) -> None:
    kept = old.with_name("a.db.kept")
    sqlite_swap.replace(old, new, kept, timeout=1, alone=alone)
    assert (said(old), said(kept)) == (["new"], ["old"])
    assert not new.exists()


def test_who_may_read_it_stays_as_it_was(old: Path, new: Path) -> None:
    old.chmod(0o600)
    sqlite_swap.replace(old, new, old.with_name("kept.db"), timeout=1)
    assert old.stat().st_mode & 0o777 == 0o600


def test_a_missing_file_is_simply_put_there(tmp_path: Path, new: Path) -> None:
    path, kept = tmp_path / "a.db", tmp_path / "kept.db"
    path.with_name("a.db-wal").write_bytes(b"of a file that somebody removed")
    sqlite_swap.replace(path, new, kept, timeout=1)
    assert said(path) == ["new"]
    assert kept.with_name("kept.db-wal").exists()


def test_whoever_has_the_old_file_open_keeps_reading_it(old: Path, new: Path) -> None:
    reader = opened(old)
    cursor = reader.execute("SELECT text FROM said")
    sqlite_swap.replace(old, new, old.with_name("kept.db"), timeout=0.1)
    assert cursor.fetchall() == [("old",)]
    assert reader.execute("SELECT text FROM said").fetchall() == [("old",)]
    reader.close()
    assert said(old) == ["new"]
    assert said(old.with_name("kept.db")) == ["old"]


def test_what_a_reader_keeps_in_the_log_goes_along_with_the_old_file(old: Path, new: Path) -> None:
    reader, writer = opened(old), opened(old)
    cursor = reader.execute("SELECT text FROM said")
    writer.execute("INSERT INTO said VALUES ('in the log')")
    kept = old.with_name("kept.db")
    sqlite_swap.replace(old, new, kept, timeout=0.1)
    assert cursor.fetchall() == [("old",)]
    reader.close()
    writer.close()
    assert said(kept) == ["old", "in the log"]
    assert said(old) == ["new"]


def test_nothing_is_changed_while_somebody_else_has_it_open(old: Path, new: Path) -> None:
    reader = opened(old)
    reader.execute("SELECT * FROM said").fetchall()
    with pytest.raises(DatabaseBusyError, match="another process holds"):
        sqlite_swap.replace(old, new, old.with_name("kept.db"), timeout=0.05, alone=True)
    reader.close()
    assert (said(old), said(new)) == (["old"], ["new"])
    assert {file.name for file in old.parent.iterdir()} <= {
        "a.db",
        "a.db-wal",
        "a.db-shm",
        "new.db",
    }


def test_nothing_is_changed_while_somebody_writes(old: Path, new: Path) -> None:
    writer = opened(old)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("INSERT INTO said VALUES ('more')")
    with pytest.raises(DatabaseBusyError):
        sqlite_swap.replace(old, new, old.with_name("kept.db"), timeout=0.05)
    writer.execute("COMMIT")
    writer.close()
    assert said(old) == ["old", "more"]
    assert said(new) == ["new"]


def test_a_kept_file_is_never_overwritten(old: Path, new: Path) -> None:
    kept = old.with_name("kept.db")
    kept.write_text("precious")
    with pytest.raises(DatabaseError, match="exists already"):
        sqlite_swap.replace(old, new, kept, timeout=1)
    assert kept.read_text() == "precious"
    assert said(old) == ["old"]


def test_an_open_replacement_is_refused(old: Path, tmp_path: Path) -> None:
    new = tmp_path / "new.db"
    connection = opened(new)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE said (text TEXT)")
    with pytest.raises(DatabaseError, match="isn't closed"):
        sqlite_swap.replace(old, new, old.with_name("kept.db"), timeout=1)
    connection.close()
    assert said(old) == ["old"]


@pytest.mark.parametrize("alone", [True, False])
def test_a_file_system_without_links_gets_a_copy(
    old: Path, new: Path, alone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    kept = old.with_name("kept.db")
    sqlite_swap.replace(old, new, kept, timeout=1, alone=alone)
    assert (said(old), said(kept)) == (["new"], ["old"])


@pytest.mark.parametrize("state", ["closed", "open", "damaged"])
def test_a_kill_at_any_step_leaves_the_old_one_or_the_new_one(tmp_path: Path, state: str) -> None:
    done = subprocess.run(
        [sys.executable, KILLED, tmp_path, state], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10
