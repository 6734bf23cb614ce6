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
        self._known: dict[str, dict[Key, Row]] = {}

    def want(self, name: str, many: str, key: Mapping[str, object]) -> None:
        values = tuple(key.values())
        if values not in self._known.get(name, ()):
            self.wanted.setdefault((name, many), {})[values] = key

    def wants(self, name: str, values: Key) -> bool:
        return any(one == name and values in keys for (one, _), keys in self.wanted.items())

    def learn(self, name: str, columns: Iterable[str], rows: Iterable[Row]) -> None:
        known = self._known.setdefault(name, {})
        for row in rows:
            known[tuple([row[column] for column in columns])] = row

    def find(self, name: str, values: Key) -> Row | None:
        """A copy that the caller may keep."""
        row = self._known.get(name, {}).get(values)
        return None if row is None else dict(row)

    def forget(self, task_id: object) -> None:
        """What is known of this task isn't so any more; with None, of any task."""
        if task_id is None:
            self._known.clear()
            return
        for known in self._known.values():
            for values in [values for values in known if values[0] == task_id]:
                del known[values]

    def clear(self) -> None:
        self.wanted.clear()
        self._known.clear()


def task_of(params: Mapping[str, Any]) -> object:
    """Whose rows a statement changes; None when its parameters don't tell."""
    return params.get("task_id") or params.get("id")
