"""Rows that were read before they are asked for, with those that others are going to ask for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from abathur.infrastructure.database.engines.base import Row

Key: TypeAlias = tuple[object, ...]

Wanted: TypeAlias = dict[tuple[str, str], dict[Key, Mapping[str, object]]]
WantedNothing: TypeAlias = dict[tuple[str, str, str], dict[object, None]]

LOCKING_TASKS: Final = "tasks_get"
"""Who holds what this one has found holds all that belongs to the task."""


class Foreseen:
    """Of one transaction, which holds the rows locked: only its own changes make them stale."""

    __slots__ = ("_known", "_nothing", "_of", "wanted", "wanted_nothing")

    def __init__(self) -> None:
        self.wanted: Wanted = {}
        """By the names of the statements for one and for many: keys, and what is asked with."""
        self.wanted_nothing: WantedNothing = {}
        """The same for what may find nothing, with the table where it looks: ids of tasks."""
        self._known: dict[tuple[str, Key], Row] = {}
        self._of: dict[object, list[tuple[str, Key]]] = {}
        """What is known of a task, or by a key that begins so."""
        self._nothing: dict[str, set[tuple[str, object]]] = {}
        """By table: statements that find nothing there for a task."""

    @property
    def is_in_use(self) -> bool:
        return bool(self._known or self._nothing or self.wanted_nothing)

    def want(self, name: str, many: str, key: Mapping[str, object]) -> None:
        values = tuple(key.values())
        if (name, values) not in self._known:
            self.wanted.setdefault((name, many), {})[values] = key

    def want_nothing(self, name: str, many: str, table: str, task_id: object) -> None:
        self.wanted_nothing.setdefault((name, many, table), {})[task_id] = None

    def wants(self, name: str, values: Key) -> bool:
        return any(one == name and values in keys for (one, _), keys in self.wanted.items())

    def wants_nothing(self, name: str, task_id: object) -> bool:
        wanted = self.wanted_nothing.items()
        return any(one == name and task_id in ids for (one, _, _), ids in wanted)

    def take_wanted(self) -> tuple[Wanted, WantedNothing]:
        taken = dict(self.wanted), dict(self.wanted_nothing)
        self.wanted.clear()
        self.wanted_nothing.clear()
        return taken

    def learn(self, name: str, columns: Iterable[str], rows: Iterable[Row]) -> None:
        for row in rows:
            values = tuple([row[column] for column in columns])
            self._known[name, values] = row
            for one in {row.get("task_id"), values[0]}:
                self._of.setdefault(one, []).append((name, values))

    def learn_nothing(
        self, name: str, table: str, task_ids: Iterable[object], found: Iterable[Row]
    ) -> None:
        """For these tasks nothing was found, but for those in `found`.

        Only of tasks that were locked before: else somebody may just be adding something.
        """
        something = {row["task_id"] for row in found}
        self._nothing.setdefault(table, set()).update(
            (name, task_id)
            for task_id in task_ids
            if task_id not in something and (LOCKING_TASKS, (task_id,)) in self._known
        )

    def find(self, name: str, values: Key) -> Row | None:
        """A copy that the caller may keep."""
        row = self._known.get((name, values))
        return None if row is None else dict(row)

    def finds_nothing(self, name: str, task_id: object) -> bool:
        return any((name, task_id) in known for known in self._nothing.values())

    def forget(self, table: str, changed: Mapping[str, Any]) -> None:
        """After a change of a row of the table, whose values are told as far as they are known."""
        if self._nothing:
            for looked_in in [names for names in self._nothing if table in names.split()]:
                del self._nothing[looked_in]
        ids = [one for one in (changed.get("task_id"), changed.get("id")) if one]
        if not ids or not table:
            # It may be any row.
            self._forget_all()
        for one in ids:
            for key in self._of.pop(one, ()):
                self._known.pop(key, None)

    def clear(self) -> None:
        self.wanted.clear()
        self.wanted_nothing.clear()
        self._forget_all()

    def _forget_all(self) -> None:
        self._known.clear()
        self._of.clear()
        self._nothing.clear()
