"""Lessons that agents offer with their results: kept under rules, and believed by and by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from abathur.domain.errors import ConflictError, InvalidInputError
from abathur.domain.masking import masked
from abathur.domain.memories import MemoryRules, MemoryType, NewMemory
from abathur.domain.retention import UNTRUSTED
from abathur.domain.tasks import JsonObject, Task
from abathur.ports.stores import Stores
from abathur.services import remembering

NAMESPACE: Final = "lessons"
MOST: Final = 10
"""Lessons that are kept of one result."""
LONGEST: Final = 2000
"""Characters of a lesson that are kept."""


def keep_lessons(
    stores: Stores,
    task: Task,
    content: JsonObject | None,
    *,
    actor: str,
    now: datetime,
    rules: MemoryRules,
) -> int:
    """Keep `deliverables.lessons`, a list of texts; how many were new. Never refuses the result.

    A lesson counts little, and is gone after some time, until enough other tasks have used it or
    offer the very same.
    """
    kept = 0
    for text in _lessons(content):
        new = NewMemory(
            namespace=f"{NAMESPACE}:{_word(task.agent_type)}",
            key=sha256(" ".join(text.split()).casefold().encode()).hexdigest()[:16],
            value={"lesson": text},
            memory_type=MemoryType.EPISODIC,
            metadata={"offered_by": "agent", "summary": task.summary},
            importance=UNTRUSTED,
            created_by=f"agent:{task.agent_type}",
            task_id=task.id,
        )
        old = stores.memories.get(new.namespace, new.key)
        if old is not None and old.deleted_at is not None:
            # Somebody has let it go, and need not do so again and again.
            continue
        if old is not None and not old.is_gone(now):
            if old.task_id != task.id:
                remembering.use(
                    stores, [old.id], task_id=task.id, actor=actor, now=now, rules=rules
                )
            continue
        try:
            remembering.add(stores, new, actor=actor, now=now, rules=rules)
            kept += 1
        except (ConflictError, InvalidInputError):
            # Somebody is offering the very same, or the namespace is full: the result is worth
            # more than the lesson.
            continue
    return kept


def _lessons(content: JsonObject | None) -> Iterator[str]:
    made: Any = (content or {}).get("deliverables")
    offered = made.get("lessons") if isinstance(made, Mapping) else None
    for one in offered[:MOST] if isinstance(offered, list) else ():
        told = one.get("lesson") if isinstance(one, Mapping) else one
        if isinstance(told, str) and told.strip():
            yield masked(told.strip())[:LONGEST]


def _word(text: str) -> str:
    return "".join(c for c in text if c.isprintable() and c != ":").strip()[:80] or "agent"
