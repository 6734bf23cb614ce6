"""What is said between the loop and a model, whatever the protocol, and the file that keeps it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

VERSION: Final = 1
MAX_SESSION: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Call:
    """A tool that the model wants to use."""

    id: str
    name: str
    arguments: Mapping[str, Any] | None
    """None when the model sent something else than a JSON object."""


@dataclass(frozen=True, slots=True)
class Result:
    id: str
    text: str
    is_error: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One part of the conversation."""

    user: str | None = None
    raw: Any = None
    """The model's answer as its protocol has it, to be sent back as it is."""
    results: tuple[Result, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    raw: Any
    texts: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    """Tokens by the names of `Spent`; what the model didn't count isn't there."""
    stop: str = "end"
    """`end`, `tools`, `length`, `refused` or `pause`."""


@dataclass(frozen=True, slots=True)
class ToolShape:
    name: str
    description: str
    schema: Mapping[str, Any]


class Model(Protocol):
    async def ask(self, system: str, talk: Sequence[Entry], tools: Sequence[ToolShape]) -> Answer:
        """Raises whatever the SDK raises; `refusals` reads it."""
        ...

    async def close(self) -> None: ...


class SessionRefusedError(Exception):
    """The session can't be gone on with."""


class Session:
    """The conversation, written down after each step, so that a killed run can be gone on with."""

    def __init__(self, path: Path, protocol: str) -> None:
        self._path, self._protocol = path, protocol
        self.entries: list[Entry] = []

    def begin(self) -> None:
        """Raises `OSError`."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        head = {"version": VERSION, "protocol": self._protocol}
        self._write(json.dumps(head), os.O_TRUNC)

    def load(self) -> None:
        """Raises `SessionRefusedError` for one that isn't there or that another protocol wrote."""
        try:
            if self._path.stat().st_size > MAX_SESSION:
                raise SessionRefusedError("the session is too large to be gone on with")
            lines = self._path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise SessionRefusedError(f"the session can't be read: {error}") from error
        head, *rest = [_decoded(line) for line in lines] or [None]
        if head != {"version": VERSION, "protocol": self._protocol}:
            raise SessionRefusedError("the session was written by another program")
        # A kill in the middle of a line leaves the last one torn.
        self.entries = [entry for told in rest if (entry := _entry(told)) is not None]
        self._close_calls()

    def add(self, entry: Entry) -> None:
        self.entries.append(entry)
        self._write(json.dumps(asdict(entry)))

    def _close_calls(self) -> None:
        """An answer whose tools never came to an end is left out: providers refuse open calls."""
        while self.entries and self.entries[-1].raw is not None:
            self.entries.pop()

    def _write(self, line: str, flags: int = 0) -> None:
        mode = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC | flags
        with os.fdopen(os.open(self._path, mode, 0o600), "ab") as file:
            file.write(line.encode() + b"\n")


def _decoded(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _entry(told: Any) -> Entry | None:
    if not isinstance(told, dict):
        return None
    try:
        results = tuple(Result(**result) for result in told.get("results", ()))
    except TypeError:
        return None
    return Entry(user=told.get("user"), raw=told.get("raw"), results=results)
