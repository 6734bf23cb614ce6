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
_LENGTH: Final = 4


class ForkServer:
    """The process that forks keepers. It ends with this object.

    Keepers outlive it, for each hears of our own end by its own line.
    """

    def __init__(self) -> None:
        self._turn = Lock()
        self._line: socket.socket | None = None
        self._end: Callable[[], object] = lambda: None

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
        self._end = weakref.finalize(self, _end, process, ours)
        return ours


def _end(process: subprocess.Popen[bytes], line: socket.socket) -> None:
    line.close()
    process.kill()  # it holds nothing that could be left half done
    process.wait()


class Line:
    """Close it when the run is over: while the agent lives, closing ends the agent."""

    def __init__(self, on_exit: Callable[[], None], on_gone: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_exit = on_exit
        self._on_gone = on_gone
        self._ours, self._theirs = socket.socketpair()
        self._ours.setblocking(False)
        self._rest = b""
        self.keeper: asyncio.Future[int] = self._loop.create_future()
        """The keeper's pid."""
        self.started: asyncio.Future[int] = self._loop.create_future()
        """The agent's pid; `OSError` when its program can't be run."""
        self.code: int | None = None
        """The agent's exit code, negative for a signal; None while it isn't known."""
        self.is_empty = False
        """Whether the keeper has seen that nothing of the run is left."""
        self._loop.add_reader(self._ours, self._read)

    @property
    def theirs(self) -> int:
        return self._theirs.fileno()

    def hand_over(self) -> None:
        """The keeper has its end: ours of it would hide the keeper's death."""
        self._theirs.close()

    def close(self) -> None:
        self._loop.remove_reader(self._ours)
        self._ours.close()
        self._theirs.close()
        self._fail(errno.ECANCELED)
        for future in (self.keeper, self.started):
            if not future.cancelled():
                future.exception()  # whoever wanted to know has asked

    def _read(self) -> None:
        try:
            data = self._ours.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._loop.remove_reader(self._ours)
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
