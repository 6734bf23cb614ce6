"""What a running program writes: bytes into the transcript as they come, lines to a listener."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Self

from abathur.domain.errors import ProcessError

LONGEST_LINE = 1 << 20
TAIL_BYTES = 4096


class Transcript:
    """The two files of a run. What they hold already is kept."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stderr_path = path.with_name(path.name + ".stderr")

    def __enter__(self) -> Self:
        try:
            self._stdout: FileIO = self._path.open("ab", buffering=0)
            try:
                self.stderr: FileIO = self._stderr_path.open("a+b", buffering=0)
            except OSError:
                self._stdout.close()
                raise
        except OSError as error:
            raise ProcessError(
                f"can't open the transcript {self._path}: {error.strerror}"
            ) from error
        self._stderr_start = self.stderr.seek(0, os.SEEK_END)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stdout.close()
        self.stderr.close()

    def write(self, data: bytes) -> None:
        left = memoryview(data)
        try:
            while left:
                left = left[self._stdout.write(left) :]
        except OSError as error:
            raise ProcessError(
                f"can't write the transcript {self._path}: {error.strerror}; the run was ended"
            ) from error

    def stderr_tail(self) -> str:
        end = self.stderr.seek(0, os.SEEK_END)
        self.stderr.seek(max(self._stderr_start, end - TAIL_BYTES))
        return self.stderr.read(TAIL_BYTES).decode(errors="replace")


class Lines:
    """Cuts a stream of bytes at its newlines, and at 1 MiB where there are none."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[str]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            yield from self._torn(line)
        while len(self._rest) > LONGEST_LINE:
            yield self._rest[:LONGEST_LINE].decode(errors="replace")
            self._rest = self._rest[LONGEST_LINE:]

    def finish(self) -> Iterator[str]:
        """What came after the last newline."""
        rest, self._rest = self._rest, b""
        if rest:
            yield from self._torn(rest)

    def _torn(self, line: bytes) -> Iterator[str]:
        for start in range(0, len(line) or 1, LONGEST_LINE):
            yield line[start : start + LONGEST_LINE].decode(errors="replace")


class Output(asyncio.SubprocessProtocol):
    """Takes what the event loop reads. Nothing is queued, so a flood of output needs no memory.

    `over` is done when the program has exited, or when its output can't be taken any more: then
    `failure` says why. The end of the program and the end of its output come in any order.
    """

    def __init__(self, transcript: Transcript, on_line: Callable[[str], None]) -> None:
        self._transcript = transcript
        self._on_line = on_line
        self._lines = Lines()
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.exited = asyncio.Event()
        self.drained = asyncio.Event()
        self.failure: Exception | None = None

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self._guarded(lambda: self._take(data))

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        self.flush()
        self.drained.set()

    def process_exited(self) -> None:
        self.exited.set()
        self._finish()

    def flush(self) -> None:
        """Hand over a last line that has no newline."""
        self._guarded(lambda: self._hand_over(self._lines.finish()))

    def _take(self, data: bytes) -> None:
        self._transcript.write(data)
        self._hand_over(self._lines.feed(data))

    def _hand_over(self, lines: Iterator[str]) -> None:
        for line in lines:
            self._on_line(line)

    def _guarded(self, work: Callable[[], None]) -> None:
        if self.failure is not None:
            return
        try:
            work()
        # The event loop would log it and go on: the run has to end with it instead.
        except Exception as error:
            self.failure = error
            self._finish()

    def _finish(self) -> None:
        if not self.over.done():
            self.over.set_result(None)
