"""Walking the trees of a database around what is damaged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from abathur.infrastructure.database.recovery.image import Image
from abathur.infrastructure.database.recovery.records import (
    TABLE_LEAF,
    Cell,
    Damaged,
    node,
)


@dataclass(slots=True)
class Walk:
    """What was seen on the way."""

    image: Image
    seen: set[int] = field(default_factory=set)
    damaged: set[int] = field(default_factory=set)
    damaged_cells: int = 0

    def cells(self, root: int) -> Iterator[Cell]:
        """Every record that can be read below the root."""
        waiting = [root]
        while waiting:
            number = waiting.pop()
            if number in self.seen:
                continue
            self.seen.add(number)
            try:
                found = node(self.image, number)
            except Damaged:
                self.damaged.add(number)
                continue
            self.damaged_cells += found.damaged_cells
            waiting.extend(reversed(found.children))
            yield from found.cells

    def strays(self, free: set[int]) -> Iterator[tuple[bool, list[Cell]]]:
        """Pages with records that no tree leads to: (whether with row ids, their cells)."""
        for number in range(2, self.image.count + 1):
            if number in self.seen or number in free:
                continue
            try:
                found = node(self.image, number)
            except Damaged:
                continue
            if found.cells:
                yield found.kind == TABLE_LEAF, list(found.cells)
