"""Our end of the lines to keepers: how they are ordered, and what they say of their agents."""

from __future__ import annotations

import asyncio
import errno
import marshal
import os
import signal
import socket
import subprocess  # noqa: TID251 - the one that forks all others
import sys
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Final

PROGRAM: Final = "import sys; sys.path.append(sys.argv[1]); import keeper; keeper.main()"
"""Imported, it is there as compiled; a script is compiled with each start."""
IS_AVAILABLE: Final = sys.platform == "linux"
"""Elsewhere the kernel has neither subreapers nor parent-death signals."""
NO_CGROUP: Final = "-"
MOST_IDLE: Final = 8
_LENGTH: Final = 4
_SECONDS_TO_END: Final = 1.0

Spare = tuple[socket.socket, int]
"""Our end of a keeper's line, and its pid."""


class ForkServer:
    """The process that forks keepers, and those of them that have nothing to do.

    They end with this object.

    Keepers outlive it, for each hears of our own end by its own line.
    """

    def __init__(self) -> None:
        self._turn = Lock()
        self._line: socket.socket | None = None
        self._end: Callable[[], object] = lambda: None
        self._idle: list[Spare] = []

    def start(self) -> None:
        """Have it ready, which the first order does otherwise; blocks. Raises `OSError`."""
        with self._turn:
            if self._line is None:
                self._start()

    def order(self, text: bytes, descriptors: Sequence[int]) -> None:
        """Have a keeper forked; blocks until the order is handed over. Raises `OSError`.

        `descriptors` are its stdin, stdout, stderr and its end of a `Line`; ours stay open.
        """
        with self._turn:
            if self._line is not None:
                with suppress(ConnectionError):
                    return self._send(self._line, text, descriptors)
            # There was none, or somebody has killed it.
            self._send(self._start(), text, descriptors)

    def order_spare(self, spare: Spare, text: bytes, descriptors: Sequence[int]) -> bool:
        """Have a keeper that `spare` gave start another agent; blocks. False if it has died."""
        try:
            self._send(spare[0], text, descriptors)
        except OSError:
            return False
        return True

    def spare(self) -> Spare | None:
        """A keeper below which nothing is; it is the caller's from now on."""
        return self._idle.pop() if self._idle else None

    def take_back(self, spare: Spare) -> None:
        if len(self._idle) < MOST_IDLE:
            self._idle.append(spare)
        else:
            spare[0].close()

    def _send(self, line: socket.socket, text: bytes, descriptors: Sequence[int]) -> None:
        socket.send_fds(line, [len(text).to_bytes(_LENGTH, "big")], descriptors)
        line.sendall(text)

    def _start(self) -> socket.socket:
        self._end()
        ours, theirs = socket.socketpair()
        folder = str(Path(__file__).parent)
        with theirs:
            # Isolated and without `site`: it starts in some milliseconds, whatever the environment.
            process = subprocess.Popen(
                (sys.executable, "-I", "-S", "-c", PROGRAM, folder, str(theirs.fileno())),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={},
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        self._line = ours
        self._end = weakref.finalize(self, _end, process, ours, self._idle)
        return ours


def _end(process: subprocess.Popen[bytes], line: socket.socket, idle: list[Spare]) -> None:
    while idle:
        idle.pop()[0].close()
    line.close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_SECONDS_TO_END)
    process.kill()  # it holds nothing that could be left half done
    process.wait()


class Line:
    """Close it when the run is over: while the agent lives, closing ends the agent."""

    def __init__(
        self,
        on_exit: Callable[[], None],
        on_gone: Callable[[], None],
        spare: Spare | None = None,
    ) -> None:
        """To a keeper that is to be forked, or to a spare one."""
        self._loop = asyncio.get_running_loop()
        self._on_exit = on_exit
        self._on_gone = on_gone
        self._rest = b""
        self._is_open = True
        self.keeper: asyncio.Future[int] = self._loop.create_future()
        """The keeper's pid."""
        self.started: asyncio.Future[int] = self._loop.create_future()
        """The agent's pid; `OSError` when its program can't be run."""
        self.code: int | None = None
        """The agent's exit code, negative for a signal; None while it isn't known."""
        self.is_empty = False
        """Whether the keeper has seen that nothing of the run is left."""
        self._theirs: socket.socket | None = None
        if spare is None:
            self._ours, self._theirs = socket.socketpair()
        else:
            self._ours, pid = spare
            self.keeper.set_result(pid)
        self._loop.add_reader(self._ours, self._read)

    @property
    def theirs(self) -> Sequence[int]:
        """What a keeper that is to be forked is given."""
        return () if self._theirs is None else (self._theirs.fileno(),)

    def hand_over(self) -> None:
        """The keeper has its end: ours of it would hide the keeper's death."""
        if self._theirs is not None:
            self._theirs.close()

    def close(self) -> Spare | None:
        """The keeper, if it can be given to another run."""
        self.hand_over()
        spare = self._spare()
        self._loop.remove_reader(self._ours)
        if spare is None:
            self._ours.close()
        self._is_open = False
        self._fail(errno.ECANCELED)
        for future in (self.keeper, self.started):
            if not future.cancelled():
                future.exception()  # whoever wanted to know has asked
        return spare

    def _spare(self) -> Spare | None:
        is_done = self._is_open and self.is_empty and self.code is not None and not self._rest
        return (self._ours, self.keeper.result()) if is_done else None

    def _read(self) -> None:
        try:
            data = self._ours.recv(4096, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._loop.remove_reader(self._ours)
            self._is_open = False
            self._fail(errno.EIO)
            self._lose()
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            word, _, number = line.decode(errors="replace").partition(" ")
            self._take(word, int(number))

    def _take(self, word: str, number: int) -> None:
        if word == "exit":
            self.code = number
            self._on_exit()
        elif word == "empty":
            self.is_empty = True
            self._on_gone()  # for this run: it waits for another one
        elif word == "failed":
            self._fail(number)
        elif word == "keeper":
            self.keeper.set_result(number)
        elif word == "started":
            self.started.set_result(number)

    def _lose(self) -> None:
        """The keeper has ended. Without a word of its agent it was killed, and that one with it."""
        if self.code is None:
            self.code = -signal.SIGKILL
        self._on_gone()

    def _fail(self, number: int) -> None:
        for future in (self.keeper, self.started):
            if not future.done():
                future.set_exception(OSError(number, os.strerror(number)))


def order(
    argv: Sequence[str],
    env: Mapping[str, str],
    cwd: Path,
    *,
    tags: Mapping[str, str],
    grace_seconds: float,
    cgroup: str,
) -> bytes:
    """Raises `ValueError` for what no program can be given."""
    if any("\0" in text for text in (*argv, *env, *env.values(), str(cwd))):
        raise ValueError("embedded null byte")
    if any("=" in name or not name for name in env):
        raise ValueError("illegal environment variable name")
    told = {
        "argv": [str(one) for one in argv],
        "env": dict(env),
        "cwd": str(cwd),
        "tags": dict(tags),
        "grace": grace_seconds,
        "cgroup": cgroup,
    }
    return marshal.dumps(told)
