"""Word of commits: in this process, from the engine, and by datagrams between processes of a host.

All only say "look now"; whether anything changed is asked of the database itself, now and then
also unasked. So a lost datagram costs a second, and a needless one costs nothing.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from abathur.domain.errors import DatabaseClosedError, DatabaseError
from abathur.infrastructure.database import mailbox_folders
from abathur.infrastructure.database.engines.base import Engine

POLL: Final = 1.0
TRIES: Final = 10
"""To put a mailbox into a folder that others remove meanwhile."""

_numbers = itertools.count(1)


class Mailboxes:
    """The sockets of those who wait for commits to one database, as files in a folder."""

    def __init__(self, database: Path) -> None:
        self._folder = mailbox_folders.folder_of(database)
        self._own: frozenset[str] = frozenset()
        self._sender: socket.socket | None = None
        self._names: tuple[str, ...] = ()
        self._state: tuple[int, int] = (0, 0)

    def open(self) -> socket.socket | None:
        """A mailbox of our own; None where there can't be one, and polling has to do."""
        for _ in range(TRIES):
            # Whoever left last may have removed the folder just now.
            with suppress(FileNotFoundError):
                return self._bound() if mailbox_folders.make(self._folder) else None
        return None

    def _bound(self) -> socket.socket | None:
        name = f"{os.getpid()}-{next(_numbers)}.sock"
        box = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        box.setblocking(False)
        try:
            box.bind(str(self._folder / name))
        except OSError as error:
            box.close()
            if isinstance(error, FileNotFoundError):
                raise
            return None
        self._own |= {name}
        return box

    def remove(self, box: socket.socket) -> None:
        path = Path(box.getsockname())
        box.close()
        with suppress(OSError):
            path.unlink()
        self._own -= {path.name}
        mailbox_folders.leave(self._folder)

    def post(self) -> None:
        """Tell the others. Runs on the thread that commits, so it never blocks."""
        for name in self._others():
            self._send(name)

    def close(self) -> None:
        if self._sender is not None:
            self._sender.close()
            self._sender = None

    def _others(self) -> tuple[str, ...]:
        # Listing the folder after each commit would cost more than telling. Its time is coarse,
        # so a socket might slip in unseen: hence the second.
        try:
            state = (self._folder.stat().st_mtime_ns, int(time.monotonic()))
        except OSError:
            return ()
        if state != self._state:
            self._state = state
            self._names = tuple(box.name for box in self._folder.glob("*.sock"))
        return tuple(name for name in self._names if name not in self._own)

    def _send(self, name: str) -> None:
        if self._sender is None:
            self._sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._sender.setblocking(False)
        try:
            self._sender.sendto(b"!", str(self._folder / name))
        except ConnectionRefusedError:
            # Its process is gone without having removed it.
            with suppress(OSError):
                (self._folder / name).unlink()
        except OSError:
            # Full: then it has been told already. Or it was removed just now.
            return


class CommitWakeups:
    """Meets `ports.wakeups.Wakeups`. Belongs to the event loop that runs when it is made."""

    def __init__(self, engine: Engine[object], mailboxes: Mailboxes | None) -> None:
        self._engine = engine
        self._loop = asyncio.get_running_loop()
        self._hint = asyncio.Event()
        self._seen = engine.data_version()
        self._stop = engine.on_commit(self._committed)
        self._mailboxes = mailboxes
        self._box = mailboxes.open() if mailboxes else None
        if self._box is not None:
            self._loop.add_reader(self._box, self._drain)

    async def wait(self, timeout_seconds: float) -> bool:
        end = self._loop.time() + timeout_seconds
        while not self._changed():
            left = end - self._loop.time()
            if left <= 0:
                return False
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, POLL)):
                    await self._hint.wait()
            self._hint.clear()
        return True

    def close(self) -> None:
        self._stop()
        if self._box is not None and self._mailboxes is not None:
            self._loop.remove_reader(self._box)
            self._mailboxes.remove(self._box)
            self._box = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _changed(self) -> bool:
        try:
            version = self._engine.data_version()
        except DatabaseClosedError:
            raise
        except DatabaseError:
            # The next real statement will say what is wrong with the file.
            return False
        changed = version != self._seen
        self._seen = version
        return changed

    def _committed(self) -> None:
        """Called by the thread that commits."""
        if not self._hint.is_set():
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._hint.set)

    def _drain(self) -> None:
        with suppress(OSError):
            while self._box is not None and self._box.recv(1):
                self._hint.set()
