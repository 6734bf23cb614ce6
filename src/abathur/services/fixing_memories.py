"""Making again memories of their versions, and what is searched of memories and documents."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from abathur.domain.memories import Memory, heading_of, text_of
from abathur.domain.problems import OF_VERSIONS, Problem
from abathur.domain.records import changed
from abathur.domain.retention import expiry
from abathur.ports.stores import Stores

MEMORY: Final = "memory_passage"


def make_again(stores: Stores, problem: Problem, row: Mapping[str, Any], now: datetime) -> bool:
    """Whether anything had to be done. `row` is as `upkeep.row` tells it now."""
    if problem.code == MEMORY:
        return _make_passage_again(stores, problem, row)
    if stores.upkeep.fix(problem, now) == 0:
        return False
    if problem.code in OF_VERSIONS:
        memory = stores.memories.get(row["namespace"], row["key"])
        assert memory is not None  # its version is the one that was found
        _finish(stores, memory, was_there=row.get("memory_id", memory.id) is not None)
    return True


def _make_passage_again(stores: Stores, problem: Problem, row: Mapping[str, Any]) -> bool:
    assert problem.key is not None
    for memory in stores.memories.by_ids([int(problem.key)]):
        if row["passages"] == (memory.deleted_at is None):
            return False
        _index(stores, memory)
        return True
    return False


def _finish(stores: Stores, memory: Memory, *, was_there: bool) -> None:
    if not was_there:
        ends = expiry(memory.memory_type, memory.updated_at)
        renewed = changed(memory, expires_at=ends)
        stores.memories.save(renewed, memory.version, is_version=False)
    _index(stores, memory)


def _index(stores: Stores, memory: Memory) -> None:
    stores.passages.drop_memory(memory.id)
    if memory.deleted_at is None:
        heading = heading_of(memory.namespace, memory.key)
        stores.passages.set_memory(memory.id, heading, text_of(memory.value))
