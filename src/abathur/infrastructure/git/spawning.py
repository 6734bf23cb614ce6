"""Starting a git that answers once and ends, at the least price for the event loop.

What it is told and what it says lies in files in memory, so nothing is read while it runs: the loop
is woken once, when git has ended, and who still holds its output keeps nobody waiting.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

_DEFAULTED = (signal.SIGPIPE, signal.SIGXFSZ)
"""Python ignores these, and so would whoever it starts."""
_UNKNOWN_CODE = 255


@cache
def is_available() -> bool:
    """Linux has what it takes; elsewhere the event loop's own way serves."""
    if not hasattr(os, "memfd_create") or not hasattr(os, "pidfd_open"):
        return False
    try:
        os.close(os.pidfd_open(os.getpid()))
        os.close(os.memfd_create("git"))
    except OSError:
        return False
    return True


class Spawned:
    """A git of a session of its own. Raises `OSError` when it can't be started.

    To be made on the event loop. `gone` is set when it has ended and its answer can be taken.
    """

    def __init__(
        self, argv: Sequence[str], folder: Path, env: Mapping[bytes, bytes], stdin: bytes
    ) -> None:
        self.gone = asyncio.Event()
        self.code = _UNKNOWN_CODE
        self._files: list[int] = []
        try:
            self._files += [_filled(stdin), os.memfd_create("stdout"), os.memfd_create("stderr")]
            program, *args = argv
            self.pid = os.posix_spawnp(
                program,
                (program, "-C", str(folder), *args),
                env,
                file_actions=[(os.POSIX_SPAWN_DUP2, ours, n) for n, ours in enumerate(self._files)],
                setsid=True,
                setsigdef=_DEFAULTED,
            )
            self._handle = self._watch()
        except BaseException:
            self.close()
            raise

    def _watch(self) -> int:
        try:
            handle = os.pidfd_open(self.pid)
        except OSError:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            raise
        asyncio.get_running_loop().add_reader(handle, self._ended)
        return handle

    def _ended(self) -> None:
        asyncio.get_running_loop().remove_reader(self._handle)
        os.close(self._handle)
        with suppress(ChildProcessError):
            self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        self.gone.set()

    def answer(self) -> tuple[bytes, bytes]:
        """What it has written to stdout and stderr."""
        _, out, err = self._files
        return _content(out), _content(err)

    def close(self) -> None:
        """Give up the answer. Git itself isn't ended by this."""
        files, self._files = self._files, []
        for descriptor in files:
            os.close(descriptor)


def _filled(text: bytes) -> int:
    if not text:
        return os.open(os.devnull, os.O_RDONLY)
    file = os.memfd_create("stdin")
    left = memoryview(text)
    while left:
        left = left[os.write(file, left) :]
    os.lseek(file, 0, os.SEEK_SET)
    return file


def _content(file: int) -> bytes:
    if not os.fstat(file).st_size:
        return b""
    with open(file, "rb", closefd=False) as reader:
        reader.seek(0)
        return reader.read()
