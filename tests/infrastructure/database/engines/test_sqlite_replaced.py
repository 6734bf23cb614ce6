"""Files that are taken away or exchanged under a process that has them open."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from abathur.domain.errors import DatabaseError, DatabaseReplacedError
from abathur.infrastructure.database import migrate
from abathur.infrastructure.database.engines.base import SchemaConnection, Session
from abathur.infrastructure.database.engines.sqlite_engine import SqliteEngine
from abathur.infrastructure.database.migrate import Migration

Engine = SqliteEngine[Session]
OpenNotes = Callable[..., Engine]
NOTES = Migration(1, "notes", "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL);")

Deed = Callable[[Path], None]


def add(session: Session, text: str) -> str:
    session.execute("add", text=text)
    return text


def texts(session: Session) -> list[str]:
    return [row["text"] for row in session.fetch("texts")]


def beside(path: Path, suffix: str) -> Path:
    return path.with_name(f"{path.name}{suffix}")


def delete(path: Path) -> None:
    path.unlink()


def delete_all(path: Path) -> None:
    for found in path.parent.glob(f"{path.name}*"):
        found.unlink()


def delete_log(path: Path) -> None:
    beside(path, "-wal").unlink()


def delete_shared_memory(path: Path) -> None:
    beside(path, "-shm").unlink()


def replace_log(path: Path) -> None:
    beside(path, ".other").touch()
    beside(path, ".other").replace(beside(path, "-wal"))


def replace(path: Path) -> None:
    beside(path, ".other").touch()
    beside(path, ".other").replace(path)


def move_folder(path: Path) -> None:
    path.parent.rename(path.parent.with_name("elsewhere"))


@pytest.mark.parametrize(
    "deed",
    [delete, delete_all, delete_log, delete_shared_memory, replace, replace_log, move_folder],
)
async def test_nothing_is_acknowledged_into_a_file_that_is_gone(
    open_notes: OpenNotes, tmp_path: Path, deed: Deed
) -> None:
    path = tmp_path / "place" / "notes.db"
    engine = open_notes(path)
    await engine.write(add, "before")
    deed(path)
    for attempt in (engine.write(add, "in vain"), engine.read(texts), engine.info()):
        with pytest.raises(DatabaseReplacedError, match=r"notes\.db.*deleted or replaced"):
            await attempt


async def test_a_folder_that_comes_back_is_used_again(
    open_notes: OpenNotes, tmp_path: Path
) -> None:
    path = tmp_path / "place" / "notes.db"
    engine = open_notes(path)
    await engine.write(add, "before")
    move_folder(path)
    with pytest.raises(DatabaseReplacedError):
        await engine.write(add, "in vain")
    (tmp_path / "elsewhere").rename(path.parent)
    await engine.write(add, "after")
    assert await engine.read(texts) == ["before", "after"]


async def test_closing_leaves_the_files_of_another_database_alone(
    open_notes: OpenNotes, tmp_path: Path
) -> None:
    """SQLite removes the log by its name when the last one closes."""
    path = tmp_path / "notes.db"
    old = open_notes(path)
    await old.write(add, "lost")
    delete_all(path)
    new = open_notes(path)
    await new.write(add, "kept")
    old.close()
    assert beside(path, "-wal").exists()
    await new.write(add, "kept too")
    assert await new.read(texts) == ["kept", "kept too"]
    assert await new.check(full=True) == []


async def test_a_file_exchanged_while_it_is_opened_is_noticed(
    open_notes: OpenNotes, tmp_path: Path
) -> None:
    path = tmp_path / "notes.db"
    open_notes(path, migrations=(NOTES,)).close()

    def prepare(schema: SchemaConnection) -> None:
        migrate.upgrade(schema, [NOTES])
        replace(path)

    with pytest.raises(DatabaseError, match="is empty, though there was a queue in it"):
        open_notes(path, prepare=prepare)


async def test_turns_go_on_when_the_lock_file_is_removed(
    open_notes: OpenNotes, tmp_path: Path
) -> None:
    path = tmp_path / "notes.db"
    first = open_notes(path)
    await first.write(add, "a")
    lock = beside(path, ".lock")
    lock.unlink()
    second = open_notes(path)
    await second.write(add, "b")
    await first.write(add, "c")
    assert await second.read(texts) == ["a", "b", "c"]
    assert f"{lock} (deleted)" not in open_files()


def open_files() -> set[str]:
    found = set()
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found.add(str(link.readlink()))
    return found
