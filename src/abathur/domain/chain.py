"""The chain of a task's audit entries: what proves that none was changed, removed or put in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from abathur.domain.audit import START, AuditRow, Head, framed
from abathur.domain.errors import InvalidInputError

ANCHOR: Final = re.compile(r"(\d{1,18}):([0-9a-f]{64})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Anchor:
    """What the trails of all tasks were up to a row. Kept elsewhere, it shows a rewritten trail."""

    row: int
    digest: str

    def __str__(self) -> str:
        return f"{self.row}:{self.digest}"


def parse_anchor(text: str) -> Anchor:
    """Raises `InvalidInputError`."""
    match = ANCHOR.fullmatch(text.strip().lower())
    if match is None:
        raise InvalidInputError(
            f"anchor: `{text}` isn't one; give it as `abathur audit verify` printed it, ROW:DIGEST"
        )
    return Anchor(int(match[1]), match[2])


class Digest:
    """SHA-256 over the last entry of each task, of those up to a row, in order of task id.

    Of each it takes task id, sequence and hash, written as in `entry_hash`.
    """

    def __init__(self, until: int | None = None) -> None:
        self._until = until
        self._row = 0
        self._sum = sha256()

    def add(self, rows: Iterable[AuditRow]) -> None:
        """Take in the rows of the next task."""
        last = None
        for row in rows:
            if self._until is None or row.id <= self._until:
                last, self._row = row, max(self._row, row.id)
        if last is not None:
            for value in (last.task_id, last.sequence, last.hash):
                self._sum.update(framed(value))

    def anchor(self) -> Anchor:
        row = self._row if self._until is None else self._until
        return Anchor(row, self._sum.hexdigest())


@dataclass(frozen=True, slots=True)
class Break:
    """A place where the trail isn't what was written, or doesn't agree with the tables."""

    task_id: str
    """Empty when it is about no single task."""
    row: int | None
    sequence: int | None
    what: str

    def __str__(self) -> str:
        row = "" if self.row is None else f"row {self.row} (entry {self.sequence}) "
        return f"task {self.task_id}: {row}{self.what}" if self.task_id else f"audit: {self.what}"


def broken_links(task_id: str, rows: Iterable[AuditRow], head: Head | None) -> Iterator[Break]:
    """What is wrong with a task's rows, which come in the order of their sequence."""
    previous, expected, last = START, 1, None
    for row in rows:
        if row.sequence != expected:
            yield _at(row, f"is found where entry {expected} should be: entries are missing")
        elif not row.follows(previous):
            yield _at(row, "isn't what was written: it or the entry before it was changed")
        previous, expected, last = row.hash, _after(row, expected), row
    yield from _broken_end(task_id, last, head)


def _after(row: AuditRow, expected: int) -> int:
    try:
        return row.sequence + 1
    except TypeError:  # a text was put there
        return expected + 1


def _at(row: AuditRow, what: str) -> Break:
    return Break(row.task_id, row.id, row.sequence, what)


def _broken_end(task_id: str, last: AuditRow | None, head: Head | None) -> Iterator[Break]:
    if last is None:
        if head is not None:
            yield Break(task_id, None, None, f"all {head.sequence} entries were removed")
    elif head is None:
        yield _at(last, "is the last, but `audit_heads` doesn't know the task")
    elif last.sequence != head.sequence:
        what = f"is the last, but entry {head.sequence} was: entries were removed or put in"
        yield _at(last, what)
    elif last.hash != head.hash:
        yield _at(last, "isn't the last entry that was written: `audit_heads` has another hash")
