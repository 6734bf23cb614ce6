"""One older row while its values are taken over: which found a place, and which had to change."""

from __future__ import annotations

from typing import Any

from abathur.infrastructure.database.legacy.reading import Row


class Taking:
    def __init__(self, row: Row) -> None:
        self.row = row
        self._taken: set[str] = set()
        self._changed: dict[str, None] = {}
        self._refused: str | None = None

    def first(self, *names: str) -> tuple[str, Any]:
        """The first of the columns that is there and not NULL, which counts as taken."""
        for name in names:
            value = self.row.values.get(name)
            if value is not None:
                self._taken.add(name)
                return name, value
        return names[0], None

    def peek(self, name: str) -> Any:
        return self.row.values.get(name)

    def take_all(self) -> None:
        self._taken.update(self.row.values)

    def changed(self, name: str) -> None:
        """The value can't be read from what was written."""
        self._changed[name] = None

    def refuse(self, why: str) -> None:
        """The row has no place as a row."""
        self._refused = self._refused or why

    @property
    def is_refused(self) -> bool:
        return self._refused is not None

    @property
    def reason(self) -> str | None:
        """Why the row has to be kept as it was; None when all of it is written elsewhere.

        Names columns, never values, so that equal reasons can be counted.
        """
        if self._refused is not None:
            return self._refused
        left = [
            name
            for name, value in self.row.values.items()
            if value is not None and name not in self._taken
        ]
        parts = []
        if left:
            parts.append(f"no column for {', '.join(sorted(left))}")
        if self._changed:
            parts.append(f"changed to fit: {', '.join(sorted(self._changed))}")
        return "; ".join(parts) or None
