"""Making again what is searched, of the memories and documents that are there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from abathur.domain.memories import heading_of, text_of
from abathur.domain.problems import Problem
from abathur.ports.stores import Stores

MEMORY: Final = "memory_passage"


def make_again(stores: Stores, problem: Problem, row: Mapping[str, Any], now: datetime) -> bool:
    """Whether anything had to be done. `row` is as `upkeep.row` tells it now."""
    if problem.code != MEMORY:
        return stores.upkeep.fix(problem, now) > 0
    assert problem.key is not None
    for memory in stores.memories.by_ids([int(problem.key)]):
        if row["passages"] == (memory.deleted_at is None):
            return False
        stores.passages.drop_memory(memory.id)
        if memory.deleted_at is None:
            heading = heading_of(memory.namespace, memory.key)
            stores.passages.set_memory(memory.id, heading, text_of(memory.value))
        return True
    return False
