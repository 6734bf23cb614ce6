"""Running a program for the model, within bounds."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MAX_OUTPUT: Final = 30_000
"""Bytes that are kept: the first half and the last."""
DRAIN_SECONDS: Final = 0.3
"""For output that comes after the end, from who inherited the pipe."""


@dataclass(frozen=True, slots=True)
class Ran:
    code: int | None
    """None when it was ended for its time."""
    output: str


async def run_program(
    argv: Sequence[str], folder: Path, env: Mapping[str, str], seconds: float
) -> Ran:
    """Both outputs together. When its time is up, or we are stopped, its whole group is killed.

    Raises `OSError` when it can't be started.
    """
    kept = _Kept()
    # A pipe of our own: one of asyncio's can't be let go while somebody else has its other end.
    source, sink = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(  # noqa: TID251 - an agent of its own
            *argv,
            cwd=folder,
            env=dict(env),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
        )
    except BaseException:
        os.close(source)
        raise
    finally:
        os.close(sink)
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(source, "rb", 0)
    )
    reading = asyncio.create_task(kept.take(reader))
    try:
        timed_out = not await _ended(process, seconds)
        await asyncio.wait({reading}, timeout=DRAIN_SECONDS)
    finally:
        reading.cancel()
        transport.close()
    return Ran(None if timed_out else process.returncode, kept.text())


async def _ended(process: asyncio.subprocess.Process, seconds: float) -> bool:
    """Whether it ended by itself; if not, or if we are cancelled, its group is killed."""
    try:
        await asyncio.wait_for(process.wait(), seconds)
    except TimeoutError:
        return False
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    return True


class _Kept:
    """The first and the last of a stream of any length."""

    def __init__(self) -> None:
        self._head = b""
        self._tail = b""
        self._left_out = 0

    async def take(self, stream: asyncio.StreamReader) -> None:
        half = MAX_OUTPUT // 2
        while data := await stream.read(65_536):
            room = half - len(self._head)
            self._head += data[:room]
            self._tail += data[room:]
            more = max(0, len(self._tail) - half)
            self._left_out += more
            self._tail = self._tail[more:]

    def text(self) -> str:
        head, tail = self._head.decode(errors="replace"), self._tail.decode(errors="replace")
        gap = f"\n[… {self._left_out} bytes left out …]\n" if self._left_out else ""
        return f"{head}{gap}{tail}"
