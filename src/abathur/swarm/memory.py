"""What an agent is told of what is remembered."""

from __future__ import annotations

from collections.abc import Sequence

from abathur.domain.errors import AbathurError, EmbeddingError
from abathur.domain.tasks import Task
from abathur.services import recalling
from abathur.services.claiming import actor_of
from abathur.services.searching import Meaning
from abathur.swarm.embedding import meaning_of
from abathur.swarm.parts import Parts


async def recalled(parts: Parts, task: Task) -> Sequence[tuple[str, str]]:
    """Pairs of a source and a text. Never fails: a task can do without."""
    now, budget = parts.clock.now(), parts.settings.memory.recall_tokens
    if not budget:
        return ()
    try:
        meaning = await _meaning(parts, recalling.question(task))
        found = await parts.db.read(recalling.recall, task, now=now, budget=budget, meaning=meaning)
        if found:
            actor = actor_of(parts.worker_id)
            await parts.db.write(recalling.note, found, task.id, actor=actor, now=now)
    except AbathurError:
        return ()
    return [(one.source, one.text) for one in found]


async def _meaning(parts: Parts, text: str) -> Meaning | None:
    try:
        return await meaning_of(parts.embedder, text)
    except EmbeddingError:
        # Told by the loop that embeds.
        return None
