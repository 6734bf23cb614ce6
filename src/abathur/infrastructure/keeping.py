"""Our end of the line to a keeper: how its program is started, and what it says of the agent."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

PROGRAM: Final = Path(__file__).with_name("keeper.py")
IS_AVAILABLE: Final = sys.platform == "linux"
"""Elsewhere the kernel has neither subreapers nor parent-death signals."""
NO_CGROUP: Final = "-"


class Line:
    """Close it when the run is over: while the agent lives, closing ends the agent."""

    def __init__(self, on_exit: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_exit = on_exit
        self._ours, self._theirs = socket.socketpair()
        self._ours.setblocking(False)
        self._rest = b""
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

    def argv(
        self, program: Sequence[str], tags: Mapping[str, str], grace: float, cgroup: str
    ) -> tuple[str, ...]:
        # Isolated and without `site`: it starts in some milliseconds, whatever the environment.
        own = (sys.executable, "-I", "-S", str(PROGRAM), str(self.theirs), str(grace), cgroup)
        carried = [f"{name}={value}" for name, value in tags.items()]
        return (*own, str(len(carried)), *carried, *program)

    def hand_over(self) -> None:
        """The keeper has its end: ours of it would hide the keeper's death."""
        self._theirs.close()

    def close(self) -> None:
        self._loop.remove_reader(self._ours)
        self._ours.close()
        self._theirs.close()
        self._fail(errno.ECANCELED)
        if self.started.done() and not self.started.cancelled():
            self.started.exception()  # whoever wanted to know has asked

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
        elif word == "started" and not self.started.done():
            self.started.set_result(number)

    def _fail(self, number: int) -> None:
        if not self.started.done():
            self.started.set_exception(OSError(number, os.strerror(number)))
