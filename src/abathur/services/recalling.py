"""What a task is told of what is remembered, without asking."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from abathur.domain.memories import Memory, MemoryType, text_of
from abathur.domain.retention import strength
from abathur.domain.tasks import Task
from abathur.ports.memory import MemoryFilter
from abathur.ports.stores import Stores
from abathur.services import remembering
from abathur.services.searching import Meaning, MemoryHit, search_memories

BUDGET: Final = 1500
"""Tokens of all that is recalled for a task."""
BYTES_A_TOKEN: Final = 4
"""A rough measure: about so many letters of English text make a token, or one Chinese character."""
LOOKED_AT: Final = 50
SHORTEST: Final = 80
LONGEST: Final = 2000
"""Bytes of one memory that are told."""
LEAST_WORDS: Final = 2
"""That a memory has to share with the task; one alone is chance."""
LEAST_SIMILARITY: Final = 0.5
"""Of the meanings, which is enough without common words."""
CUT: Final = "..."
OF_TASKS: Final = "task"
"""The first word of namespaces that belong to single tasks."""


@dataclass(frozen=True, slots=True)
class Recalled:
    memory_id: int
    source: str
    """Namespace, key, version, who wrote it when, and for which task."""
    text: str


def question(task: Task) -> str:
    """What memories are asked for."""
    return f"{task.summary}\n{task.prompt}"


def recall(
    stores: Stores,
    task: Task,
    *,
    now: datetime,
    budget: int = BUDGET,
    meaning: Meaning | None = None,
) -> Sequence[Recalled]:
    """What fits the task best, within a budget of tokens, the best first.

    How well a memory fits is weighed with its importance and with what is left of it. What other
    tasks keep for themselves is left out.
    """
    where = MemoryFilter(limit=LOOKED_AT)
    hits = search_memories(stores, question(task), where, now=now, meaning=meaning)
    own = {task.id, task.parent_task_id, *task.prerequisites}
    fitting = [hit for hit in hits if _fits(hit) and _is_for(hit.memory, own)]
    fitting.sort(key=lambda hit: -_weight(hit, now))
    return list(_within(fitting, budget * BYTES_A_TOKEN))


def _fits(hit: MemoryHit) -> bool:
    similarity = hit.why.similarity
    return len(hit.why.words) >= LEAST_WORDS or (
        similarity is not None and similarity >= LEAST_SIMILARITY
    )


def _is_for(memory: Memory, own: set[str | None]) -> bool:
    first, _, rest = memory.namespace.partition(":")
    if first == OF_TASKS and rest.partition(":")[0] not in own:
        return False
    return memory.memory_type is not MemoryType.WORKING or memory.task_id in own


def _weight(hit: MemoryHit, now: datetime) -> float:
    memory = hit.memory
    return hit.why.score * (0.5 + memory.importance / 2) * (0.5 + strength(memory, now) / 2)


def _within(hits: Sequence[MemoryHit], room: int) -> Iterator[Recalled]:
    for hit in hits:
        source = source_of(hit.memory)
        left = room - len(source.encode())
        if left < SHORTEST:
            return
        text = _cut(text_of(hit.memory.value), min(left, LONGEST))
        room = left - len(text.encode())
        yield Recalled(hit.memory.id, source, text)


def _cut(text: str, most: int) -> str:
    """So that it takes no more bytes."""
    stored = text.encode()
    if len(stored) <= most:
        return text
    return f"{stored[: most - len(CUT)].decode(errors='ignore')}{CUT}"


def source_of(memory: Memory) -> str:
    by = f" by {memory.updated_by}" if memory.updated_by else ""
    task = f" for task {memory.task_id}" if memory.task_id else ""
    return (
        f"{memory.namespace} {memory.key}, version {memory.version}, "
        f"{memory.updated_at:%Y-%m-%d}{by}{task}"
    )


def note(
    stores: Stores, recalled: Sequence[Recalled], task_id: str, *, actor: str, now: datetime
) -> None:
    """Write down that the task was told of them."""
    ids = [one.memory_id for one in recalled]
    remembering.use(stores, ids, task_id=task_id, actor=actor, now=now)
