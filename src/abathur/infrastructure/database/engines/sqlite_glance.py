"""Reading a file without a trace: no file is made, changed or locked for others.

Even a connection that only reads may make `-wal` and `-shm` files and leave them behind.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from abathur.domain.errors import DatabaseBusyError, DatabaseError
from abathur.infrastructure.database.engines.sqlite import (
    MEMORY,
    Connection,
    busy,
    connect,
)

T = TypeVar("T")

TRIES: Final = 5
SIDECARS: Final = ("-wal", "-shm", "-journal")
INDEX_SIZE: Final = 32 * 1024
"""In bytes: that of the first part of a `-shm`, of which there is always one."""

State = tuple[tuple[int, int, int] | None, ...]


def glance(path: Path, look: Callable[[Connection], T], busy_timeout: float) -> T:
    """What `look` returns. A file that isn't there looks like a database without tables."""
    state = _state(path)
    for _ in range(TRIES):
        try:
            found = _glance(path, look, busy_timeout, state)
        except DatabaseError:
            if _state(path) == state:
                raise
        else:
            if _is_live(state) or _state(path) == state:
                return found
        # A writer began meanwhile, which what was looked at doesn't show.
        state = _state(path)
    raise busy(str(path))


def _glance(path: Path, look: Callable[[Connection], T], timeout: float, state: State) -> T:
    file, log, _, journal = (part[1] if part else 0 for part in state)
    if path.is_dir():
        raise DatabaseError(f"`{path}` is a folder; name a file")
    if not file:
        return _looked(connect(MEMORY, busy_timeout=timeout), look)
    if _is_live(state):
        return _looked(connect(str(path), busy_timeout=timeout, read_only=True), look)
    if log or journal:
        return _at_a_copy(path, look, timeout)
    return _looked(connect(str(path), busy_timeout=timeout, immutable=True), look)


def _is_live(state: State) -> bool:
    """Somebody has it open, or had until a crash: both files of its log are there.

    A shorter index is what is left where there was no room for one.
    """
    file, log, index, journal = state
    return bool(file and log and index and index[1] >= INDEX_SIZE and not journal)


def _at_a_copy(path: Path, look: Callable[[Connection], T], timeout: float) -> T:
    """Of a file with a log that nobody has indexed: reading it would write that index."""
    from tempfile import TemporaryDirectory

    try:
        folder = TemporaryDirectory(prefix="abathur-")
    except OSError as error:
        raise _no_copy(path, error) from error
    with folder:
        copy = _copied(path, Path(folder.name, path.name))
        return _looked(connect(str(copy), busy_timeout=timeout), look)


def _copied(path: Path, copy: Path) -> Path:
    import shutil

    try:
        shutil.copyfile(path, copy)
        for suffix in ("-wal", "-journal"):
            sidecar = path.with_name(path.name + suffix)
            if sidecar.is_file():
                shutil.copyfile(sidecar, copy.with_name(copy.name + suffix))
    except FileNotFoundError as error:
        raise DatabaseBusyError(f"`{path}` changes just now; try again") from error
    except OSError as error:
        raise _no_copy(path, error) from error
    return copy


def _no_copy(path: Path, error: OSError) -> DatabaseError:
    return DatabaseError(
        f"`{path}` has a log that nobody keeps open, and no copy can be made to read it "
        f"({error.strerror}); set TMPDIR to a folder with room"
    )


def _looked(connection: Connection, look: Callable[[Connection], T]) -> T:
    try:
        return look(connection)
    finally:
        connection.close()


def _state(path: Path) -> State:
    return tuple(_mark(path.with_name(path.name + suffix)) for suffix in ("", *SIDECARS))


def _mark(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
