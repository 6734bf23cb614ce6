"""The swarm's log file, for whoever asks in the morning what happened at night."""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

MEGABYTE: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """What one line tells. None and empty texts are left out of it."""

    time: datetime
    level: int
    """As in `logging`."""
    event: str
    text: str
    task: str | None = None
    attempt: int | None = None
    agent_type: str = ""
    target: str | None = None
    worker: str = ""
    trace_id: str = ""


def as_text(line: LogLine) -> str:
    run = f" {line.task}/{line.attempt or '-'}" if line.task else ""
    time, level = _utc(line.time).strftime("%Y-%m-%dT%H:%M:%SZ"), logging.getLevelName(line.level)
    return f"{time} {level:<7} {line.event}{run} {line.text}".replace("\n", " ")


def as_json(line: LogLine) -> str:
    """One object on one line, in ASCII: no reader takes a character of it for the line's end."""
    fields: dict[str, Any] = {
        "time": _utc(line.time).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": logging.getLevelName(line.level),
        "event": line.event,
        "task": line.task,
        "attempt": line.attempt,
        "agent_type": line.agent_type,
        "target": line.target,
        "worker": line.worker,
        "trace_id": line.trace_id,
        "text": line.text,
    }
    told = {name: value for name, value in fields.items() if value or name == "text"}
    return json.dumps(told, separators=(",", ":"))


def _utc(time: datetime) -> datetime:
    return time.astimezone(UTC)


FORMATS: Final[dict[str, Callable[[LogLine], str]]] = {"text": as_text, "json": as_json}


@contextmanager
def open_event_log(
    file: Path, *, level: str, form: str = "text", max_bytes: int = 5 * MEGABYTE, kept: int = 3
) -> Iterator[Callable[[LogLine], None]]:
    """Takes lines; a file that would get larger is put aside first, and so many are kept.

    Never raises: a log that can't be written costs its lines, not the swarm. Several swarms may
    write the same file.
    """
    log = _File(file, max_bytes, kept)
    least = logging.getLevelNamesMapping()[level]
    as_line = FORMATS[form]

    def write(line: LogLine) -> None:
        if line.level >= least:
            with suppress(OSError):
                log.append(as_line(line).encode("utf-8", "backslashreplace") + b"\n")

    try:
        yield write
    finally:
        with suppress(OSError):
            log.close()


class _File:
    """Neither folder nor file before there is a line: a swarm that is refused leaves nothing."""

    def __init__(self, path: Path, max_bytes: int, kept: int) -> None:
        self._path, self._max_bytes, self._kept = path, max_bytes, kept
        self._descriptor: int | None = None
        self._is_torn = False
        """A part of a line was written: the next one begins on a line of its own."""

    def append(self, line: bytes) -> None:
        """Raises `OSError`."""
        descriptor = self._at_end_of_file(len(line))
        data = b"\n" + line if self._is_torn else line
        # At once, so that lines of several swarms don't mix.
        written = os.write(descriptor, data)
        self._is_torn = 0 < written < len(data) or (self._is_torn and not written)

    def close(self) -> None:
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)

    def _at_end_of_file(self, room: int) -> int:
        """Of the file that has the name now, put aside first when there is no room in it."""
        descriptor = self._open()
        if os.fstat(descriptor).st_size + room <= self._max_bytes:
            return descriptor
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if self._is_named(descriptor) and os.fstat(descriptor).st_size:
            self._put_aside()
        return self._open()  # which closes the other one, and so gives the lock back

    def _open(self) -> int:
        if self._descriptor is not None and self._is_named(self._descriptor):
            return self._descriptor
        self.close()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._descriptor = os.open(self._path, flags, 0o644)
        return self._descriptor

    def _is_named(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self._path.stat())
        except FileNotFoundError:
            return False

    def _put_aside(self) -> None:
        for number in range(self._kept, 0, -1):
            before = self._aside(number - 1) if number > 1 else self._path
            with suppress(FileNotFoundError):
                before.replace(self._aside(number))

    def _aside(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")
