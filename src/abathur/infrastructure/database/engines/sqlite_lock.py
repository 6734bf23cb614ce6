"""Turns between processes: an flock on a file beside the database.

SQLite's own busy handler polls and lets a process starve; who is blocked in an flock is woken as
soon as it is free.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock, Thread
from typing import Final, Protocol

from abathur.domain.errors import DatabaseError
from abathur.infrastructure.database.engines.sqlite import NO_SPACE, busy, full, read_only

try:
    import fcntl
except ImportError:
    # Not on Windows: SQLite's own locks must do there.
    HAS_FLOCK = False
else:
    HAS_FLOCK = True


MADE: Final = b"Abathur made the database of this name; its processes take turns by this file.\n"


class Turns(Protocol):
    def take(self, timeout: float) -> bool:
        """Wait for the turn, False when the time is over. 0 takes it if it is free."""
        ...

    def leave(self) -> None: ...

    def close(self) -> None: ...

    def remember(self) -> None:
        """Note beside the database that it was made, so that its loss is noticed."""
        ...

    def remembers(self) -> bool: ...


class Alone:
    """For a database that no other process can reach."""

    def take(self, timeout: float) -> bool:
        return True

    def leave(self) -> None: ...

    def close(self) -> None: ...

    def remember(self) -> None: ...

    def remembers(self) -> bool:
        return False


class Signal:
    """Wakes one thread. A semaphore of `threading` would take several changes of threads more."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._lock.acquire()

    def give(self) -> None:
        """Once more before it was taken makes no difference."""
        with suppress(RuntimeError):
            self._lock.release()

    def take(self, timeout: float = -1) -> bool:
        return self._lock.acquire(timeout=timeout)


class FileTurns:
    """One thread at a time uses it. A process that was stopped in its turn can't block for ever."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = _open(path)
        self._mutex = Lock()
        self._asked = Signal()
        self._granted = Signal()
        self._helper: Thread | None = None
        self._pending = False
        self._wanted = False
        self._closed = False

    def take(self, timeout: float) -> bool:
        with self._mutex:
            if not self._pending and self._try():
                return True
            if timeout <= 0:
                return False
            self._wanted = True
            self._ask()
        if self._granted.take(timeout):
            return True
        with self._mutex:
            self._wanted = False
            # Granted in the very last moment?
            return self._granted.take(0)

    def leave(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        with self._mutex:
            if not self._closed and not self._pending:
                os.close(self._file)
            self._closed = True
        self._asked.give()

    def remember(self) -> None:
        # On a full disk the queue is no worse off without.
        with suppress(OSError):
            if not self.remembers():
                os.write(self._file, MADE)

    def remembers(self) -> bool:
        return os.fstat(self._file).st_size > 0

    def _try(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            while self._is_removed():
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            raise DatabaseError(
                f"can't lock `{self._path}` ({error.strerror}); keep the database on a local disk"
            ) from error
        return True

    def _ask(self) -> None:
        """Have the helper wait: a blocked flock knows no time-out."""
        if self._helper is None:
            self._helper = Thread(target=self._help, name="abathur-database-lock", daemon=True)
            self._helper.start()
        if not self._pending:
            self._pending = True
            self._asked.give()

    def _is_removed(self) -> bool:
        """Whether others take turns on another file of that name: then it is opened instead."""
        if os.fstat(self._file).st_nlink:
            return False
        try:
            file = _open(self._path)
        except DatabaseError:
            # The folder is gone, as whoever has the turn finds out.
            return False
        os.dup2(file, self._file, inheritable=False)
        os.close(file)
        return True

    def _help(self) -> None:
        while True:
            self._asked.take()
            if not self._pending:
                return
            fcntl.flock(self._file, fcntl.LOCK_EX)
            while self._is_removed():
                fcntl.flock(self._file, fcntl.LOCK_EX)
            with self._mutex:
                self._pending = False
                if self._wanted:
                    self._wanted = False
                    self._granted.give()
                elif self._closed:
                    # Closing it ends the lock too.
                    os.close(self._file)
                    return
                else:
                    self.leave()


def turns(database: Path) -> Turns:
    return FileTurns(_lock_file(database)) if HAS_FLOCK else Alone()


def was_made(database: Path) -> bool:
    """Whether it is known beside it that there was a database. Opens and makes nothing."""
    try:
        return _lock_file(database).stat().st_size > 0
    except OSError:
        return False


def lost(database: Path) -> str:
    """What to say of a database that was made, and that isn't there any more."""
    what = "is empty" if database.exists() else "is gone"
    return (
        f"`{database}` {what}, though there was a queue in it; put a backup back with `abathur db "
        f"restore BACKUP`, or remove `{_lock_file(database).name}` beside it to begin with an "
        "empty one"
    )


def _lock_file(database: Path) -> Path:
    return database.with_name(f"{database.name}.lock")


@contextmanager
def taken(turns: Turns, where: str, timeout: float) -> Iterator[None]:
    if not turns.take(timeout):
        raise busy(where)
    try:
        yield
    finally:
        turns.leave()


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise read_only(str(path), error) from error
        if error.errno in NO_SPACE:
            raise full(str(path)) from error
        raise DatabaseError(f"can't open the lock file `{path}`: {error.strerror}") from error
