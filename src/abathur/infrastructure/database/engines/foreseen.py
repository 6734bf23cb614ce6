"""Rows that were read before they are asked for, with those that others are going to ask for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from abathur.infrastructure.database.engines.base import Row

Key: TypeAlias = tuple[object, ...]


class Foreseen:
    """Of one transaction, which holds the rows locked: only its own changes make them stale."""

    __slots__ = ("_known", "wanted")

    def __init__(self) -> None:
        self.wanted: dict[tuple[str, str], dict[Key, Mapping[str, object]]] = {}
        """By the names of the statements for one and for many: keys, and what is asked with."""
        self._known: dict[object, dict[tuple[str, Key], Row]] = {}
        """By the task that the rows tell of, whose id comes first in their keys."""

    @property
    def has_rows(self) -> bool:
        return bool(self._known)

    def want(self, name: str, many: str, key: Mapping[str, object]) -> None:
        values = tuple(key.values())
        if (name, values) not in self._known.get(values[0], ()):
            self.wanted.setdefault((name, many), {})[values] = key

    def wants(self, name: str, values: Key) -> bool:
        return any(one == name and values in keys for (one, _), keys in self.wanted.items())

    def learn(self, name: str, columns: Iterable[str], rows: Iterable[Row]) -> None:
        for row in rows:
            values = tuple([row[column] for column in columns])
            self._known.setdefault(values[0], {})[name, values] = row

    def find(self, name: str, values: Key) -> Row | None:
        """A copy that the caller may keep."""
        known = self._known.get(values[0]) if values else None
        row = None if known is None else known.get((name, values))
        return None if row is None else dict(row)

    def forget(self, task_id: object) -> None:
        """What is known of this task isn't so any more; with None, of any task."""
        if task_id is None:
            self._known.clear()
        else:
            self._known.pop(task_id, None)

    def clear(self) -> None:
        self.wanted.clear()
        self._known.clear()


def task_of(params: Mapping[str, Any]) -> object:
    """Whose rows a statement changes; None when its parameters don't tell."""
    return params.get("task_id") or params.get("id")
