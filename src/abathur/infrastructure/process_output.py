"""What a running program writes: whole lines into the transcript, without secrets, and on to a
listener."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Self

from abathur.domain.errors import ProcessError
from abathur.domain.redacted_stream import RedactedStream
from abathur.domain.redaction import Redactor

LONGEST_LINE = 1 << 20
TAIL_BYTES = 4096
MOST_KEPT = 256_000_000
"""Bytes of a file of a run. A program that doesn't stop talking mustn't take the whole disk."""
CUT_OFF = b"[more was said than is kept]\n"
_STDOUT, _STDERR = 1, 2


class Transcript:
    """The two files of a run. What they hold already is kept; no secret gets into them.

    Of more than `most_kept` bytes the beginning is kept. Listeners hear all of it.
    """

    def __init__(self, path: Path, redactor: Redactor, most_kept: int = MOST_KEPT) -> None:
        self._most_kept = most_kept
        self._paths = (path, path.with_name(path.name + ".stderr"))
        self._streams = (RedactedStream(redactor), RedactedStream(redactor))
        self._tail = b""

    def __enter__(self) -> Self:
        opened: list[FileIO] = []
        try:
            for path in self._paths:
                opened.append(path.open("ab", buffering=0))
        except OSError as error:
            for file in opened:
                file.close()
            raise ProcessError(
                f"can't open the transcript {self._paths[0]}: {error.strerror}"
            ) from error
        self._stdout, self._stderr = opened
        self._room = {
            file: self._most_kept - os.fstat(file.fileno()).st_size
            for file in (self._stdout, self._stderr)
        }
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stdout.close()
        self._stderr.close()

    def write(self, data: bytes) -> bytes:
        """Take more of stdout; what of it, or of before, is fit to be read."""
        return self._write(self._stdout, self._streams[0].feed(data))

    def write_error(self, data: bytes) -> None:
        self._write(self._stderr, self._streams[1].feed(data))

    def finish(self) -> bytes:
        """Nothing more will come: take what was kept back; what of it is stdout's."""
        self._write(self._stderr, self._streams[1].finish())
        return self._write(self._stdout, self._streams[0].finish())

    def _write(self, file: FileIO, data: bytes) -> bytes:
        if file is self._stderr:
            self._tail = (self._tail + data)[-TAIL_BYTES:]
        left = memoryview(self._kept(file, data))
        try:
            while left:
                left = left[file.write(left) :]
        except OSError as error:
            raise ProcessError(
                f"can't write the transcript {self._paths[0]}: {error.strerror}; the run was ended"
            ) from error
        return data

    def _kept(self, file: FileIO, data: bytes) -> bytes:
        room = self._room[file]
        self._room[file] -= len(data)
        if room >= len(data):
            return data
        return data[: data.rfind(b"\n", 0, room) + 1] + CUT_OFF if room >= 0 else b""

    def stderr_tail(self) -> str:
        return self._tail.decode(errors="replace")


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
        self._open = {_STDOUT, _STDERR}
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.exited = asyncio.Event()
        self.drained = asyncio.Event()
        self.failure: Exception | None = None

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self._guarded(lambda: self._take(fd, data))

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        self._open.discard(fd)
        if not self._open:
            self.flush()
            self.drained.set()

    def process_exited(self) -> None:
        self.exited.set()
        self._finish()

    def flush(self) -> None:
        """Hand over a last line that has no newline."""
        self._guarded(self._finish_lines)

    def _take(self, fd: int, data: bytes) -> None:
        if fd == _STDOUT:
            self._hand_over(self._lines.feed(self._transcript.write(data)))
        else:
            self._transcript.write_error(data)

    def _finish_lines(self) -> None:
        self._hand_over(self._lines.feed(self._transcript.finish()))
        self._hand_over(self._lines.finish())

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
