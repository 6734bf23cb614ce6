"""Whether the audit trail is what was written, and whether the tables agree with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from operator import attrgetter
from typing import Final

from abathur.domain.audit import AuditRow, Head
from abathur.domain.chain import Anchor, Break, Digest, broken_links
from abathur.domain.replay import NotTold, differences, references, replay
from abathur.domain.tasks import Task
from abathur.ports.stores import Stores

BATCH: Final = 500
"""Tasks whose heads and rows are fetched together."""

Trail = tuple[str, list[AuditRow]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    entries: int
    tasks: int
    """How many trails were read."""
    breaks: Sequence[Break]
    anchor: Anchor | None
    """Of all that was read; None when only some tasks were."""


def verify(
    stores: Stores, ids: Sequence[str] | None = None, anchor: Anchor | None = None
) -> Verification:
    """Read every entry, or those of the tasks with these ids, and compare with the tables.

    Works in batches: memory grows with the longest trail of a task, not with their number. An
    anchor is about all tasks, so it is looked at only when all are read.
    """
    reading = _Reading(stores, anchor)
    if ids is not None:
        reading.read((task_id, list(stores.audit.rows_of(task_id))) for task_id in ids)
        return reading.result(None)
    reading.read(_trails(stores))
    reading.look_for_lost()
    reading.compare_anchor()
    return reading.result(reading.digest.anchor())


def _trails(stores: Stores) -> Iterator[Trail]:
    for task_id, rows in groupby(stores.audit.rows(), key=attrgetter("task_id")):
        yield task_id, list(rows)


class _Reading:
    def __init__(self, stores: Stores, anchor: Anchor | None) -> None:
        self._stores = stores
        self._anchor = anchor
        self._entries = self._tasks = 0
        self._breaks: list[Break] = []
        self.digest = Digest()
        self._old_digest = Digest(anchor.row if anchor else 0)

    def read(self, trails: Iterable[Trail]) -> None:
        trails = iter(trails)
        while batch := list(islice(trails, BATCH)):
            ids = [task_id for task_id, _ in batch]
            heads = {head.task_id: head for head in self._stores.audit.heads(ids)}
            stored = {task.id: task for task in self._stores.tasks.get_many(ids)}
            for task_id, rows in batch:
                self._read_one(task_id, rows, heads.get(task_id), stored.get(task_id))

    def _read_one(
        self, task_id: str, rows: Sequence[AuditRow], head: Head | None, stored: Task | None
    ) -> None:
        self._entries += len(rows)
        self._tasks += 1
        self.digest.add(rows)
        if self._anchor is not None:
            self._old_digest.add(rows)
        self._breaks += broken_links(task_id, rows, head)
        self._breaks += (Break(task_id, None, None, what) for what in self._differs(rows, stored))

    def _differs(self, rows: Sequence[AuditRow], stored: Task | None) -> Iterator[str]:
        """What the rebuilt task and its row say differently."""
        try:
            told = replay(rows)
        except NotTold as error:
            yield str(error)
            return
        if told is None or stored is None:
            if told is not None:
                yield f"is {told.status} by its trail, but its row is gone"
            elif stored is not None:
                yield f"is {stored.status}, but its trail doesn't tell of it"
        elif any(differences(told, stored)):
            yield from differences(told, stored, self._gone(told))

    def _gone(self, told: Task) -> set[str]:
        """What the task refers to and isn't there; if it wasn't pruned, its own trail says so."""
        wanted = references(told)
        return wanted - {task.id for task in self._stores.tasks.get_many(wanted)}

    def look_for_lost(self) -> None:
        """What reading the trails can't show, because nothing of them is left."""
        audit = self._stores.audit
        for head in audit.removed():
            self._breaks += broken_links(head.task_id, (), head)
        for task_id in audit.tasks_without():
            self._breaks.append(Break(task_id, None, None, "has no trail at all"))
        for first, last in audit.gaps():
            rows = f"row {first} is" if first == last else f"rows {first} to {last} are"
            self._breaks.append(Break("", None, None, f"{rows} missing"))

    def compare_anchor(self) -> None:
        if self._anchor is not None and self._old_digest.anchor() != self._anchor:
            what = f"up to row {self._anchor.row} it isn't the trail that the anchor was made of"
            self._breaks.append(Break("", None, None, what))

    def result(self, anchor: Anchor | None) -> Verification:
        return Verification(
            entries=self._entries, tasks=self._tasks, breaks=self._breaks, anchor=anchor
        )
