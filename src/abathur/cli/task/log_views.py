"""The two ways to look at an attempt: its events in the database, and its transcript's bytes."""

from __future__ import annotations

import asyncio
import codecs
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from abathur.cli import output, shapes
from abathur.cli.output import paint
from abathur.cli.text import clean, clean_block, local, pad
from abathur.domain.errors import NotFoundError
from abathur.domain.runs import EventKind, RunEvent

if TYPE_CHECKING:
    from abathur.domain.runs import Attempt
    from abathur.domain.tasks import Task
    from abathur.ports.stores import Stores, UnitOfWork

POLL_SECONDS: Final = 0.5
PAGE: Final = 1000
BEFORE_ALL: Final = -1
CHUNK: Final = 1 << 20

COLOURS: Final = {
    EventKind.WARNING: "yellow",
    EventKind.LIMIT: "yellow",
    EventKind.DENIED: "red",
    EventKind.TOOL_USE: "cyan",
    EventKind.RAW: "dim",
    EventKind.USAGE: "dim",
}

Seen = tuple[int, datetime, RunEvent]


class View(Protocol):
    async def begin(self, attempt: Attempt) -> None: ...

    async def show_new(self, db: UnitOfWork, attempt: Attempt) -> None:
        """Write what has come since the last call."""
        ...

    async def end(self, attempt: Attempt) -> None: ...


class EventView:
    """Lines for a person, or JSON lines."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._seen = BEFORE_ALL

    async def begin(self, attempt: Attempt) -> None:
        self._seen = BEFORE_ALL
        if not self._as_json:
            runtime = f", runtime {attempt.runtime}" if attempt.runtime else ""
            text = f"Attempt {attempt.number}{runtime}, started {local(attempt.started_at)}"
            output.write(paint(clean(text), "bold"))

    async def show_new(self, db: UnitOfWork, attempt: Attempt) -> None:
        while page := await db.read(_events, attempt, self._seen):
            self._seen = page[-1][0]
            self._write(attempt, page)

    def _write(self, attempt: Attempt, page: Sequence[Seen]) -> None:
        for seq, at, event in page:
            if self._as_json:
                shape = shapes.event(attempt.task_id, attempt.number, seq, at, event)
                output.write_json(shape, line=True)
            else:
                output.write(_line(at, event))

    async def end(self, attempt: Attempt) -> None:
        if not self._as_json and attempt.outcome is not None:
            why = f": {attempt.error_message}" if attempt.error_message else ""
            output.write(paint(clean(f"Attempt {attempt.number} {attempt.outcome}{why}"), "bold"))


def _events(stores: Stores, attempt: Attempt, after: int) -> Sequence[Seen]:
    return stores.attempts.events(attempt.task_id, attempt.number, after, PAGE)


def _line(at: datetime, event: RunEvent) -> str:
    kind = paint(pad(event.kind.value, 11), COLOURS.get(event.kind))
    text = event.text or ", ".join(f"{name}={value}" for name, value in event.data.items())
    return f"{at.astimezone():%H:%M:%S}  {kind}  {clean(text)}".rstrip()


class FileView:
    """The transcript, or what stands beside it; unchanged unless a terminal would read it."""

    def __init__(self, suffix: str, *, must_exist: bool) -> None:
        self._suffix = suffix
        self._must_exist = must_exist
        self._place = 0
        # What is read may end within a character.
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    async def begin(self, attempt: Attempt) -> None:
        self._place = 0
        self._decoder.reset()

    async def show_new(self, db: UnitOfWork, attempt: Attempt) -> None:
        path = self._path(attempt)
        if path is None or not path.is_file():
            return
        with path.open("rb") as file:
            file.seek(self._place)
            while chunk := file.read(CHUNK):
                self._place += len(chunk)
                self._write(chunk)

    def _write(self, chunk: bytes) -> None:
        """A terminal gets no escape sequences from an agent."""
        if output.is_terminal():
            chunk = "\n".join(clean_block(self._decoder.decode(chunk))).encode()
        output.write_bytes(chunk)

    async def end(self, attempt: Attempt) -> None:
        path = self._path(attempt)
        if self._must_exist and (path is None or not path.is_file()):
            gone = f": {path} is gone" if path else ""
            raise NotFoundError(
                f"attempt {attempt.number} of task {attempt.task_id} has no transcript{gone}"
            )

    def _path(self, attempt: Attempt) -> Path | None:
        path = attempt.transcript_path
        return Path(path + self._suffix) if path else None


# --- showing ------------------------------------------------------------------------------


async def show_once(db: UnitOfWork, attempt: Attempt, view: View) -> None:
    await view.begin(attempt)
    await view.show_new(db, attempt)
    await view.end(attempt)


async def follow(db: UnitOfWork, task: Task, number: int | None, view: View) -> None:
    """All attempts from the newest on until the task ends, or one attempt until that ends."""
    current = number or max(1, task.attempt_count)
    if current > task.attempt_count and not task.status.is_final:
        output.say(f"Waiting for attempt {current}; `abathur why {task.id}` tells for what.")
    while (attempt := await _beginning(db, task.id, current)) is not None:
        await _watch(db, attempt, view)
        if number is not None:
            return
        current += 1


async def _beginning(db: UnitOfWork, task_id: str, number: int) -> Attempt | None:
    """The attempt as soon as it is there; None when the task has ended without it."""
    while True:
        task, attempt = await db.read(_state, task_id, number)
        if attempt is not None or task is None or task.status.is_final:
            return attempt
        await asyncio.sleep(POLL_SECONDS)


async def _watch(db: UnitOfWork, attempt: Attempt, view: View) -> None:
    await view.begin(attempt)
    while True:
        task, fresh = await db.read(_state, attempt.task_id, attempt.number)
        attempt = fresh or attempt
        await view.show_new(db, attempt)
        if attempt.ended_at is not None or task is None or task.status.is_final:
            return await view.end(attempt)
        await asyncio.sleep(POLL_SECONDS)


def _state(stores: Stores, task_id: str, number: int) -> tuple[Task | None, Attempt | None]:
    """Both from one moment."""
    return stores.tasks.get(task_id), stores.attempts.get(task_id, number)
