"""Vectors for what has none, and for questions; made on a thread, as embedders block."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from abathur.domain.errors import AbathurError, EmbeddingError
from abathur.ports.stores import UnitOfWork
from abathur.ports.vectors import Embedded, Embedder
from abathur.services import embedding
from abathur.services.searching import Meaning

if TYPE_CHECKING:
    # Commands embed too, and need nothing of a running swarm.
    from abathur.swarm.parts import Parts
    from abathur.swarm.state import State

T = TypeVar("T")

INTERVAL_SECONDS: Final = 30.0


class OnThread(Protocol):
    """Runs what blocks."""

    async def __call__(self, work: Callable[[], T], /) -> T: ...


async def meaning_of(maker: Embedder | None, text: str) -> Meaning | None:
    """Of a question; None without an embedder or a text. Raises `EmbeddingError`."""
    if maker is None or not text.strip():
        return None
    (vector,) = await asyncio.to_thread(maker.embed, [text])
    return Meaning(maker.model, vector)


async def _at_once() -> None:
    """No rest between two steps."""


async def _thread(work: Callable[[], T]) -> T:
    return await asyncio.to_thread(work)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How much is done in one go, and what comes in between."""

    step: int = embedding.STEP
    """Passages."""
    rest: Callable[[], Awaitable[None]] = _at_once
    on_thread: OnThread = _thread


async def embed_missing(db: UnitOfWork, maker: Embedder, pace: Pace | None = None) -> int:
    """Give all passages that lack one a vector; how many. May be ended at any time.

    Raises `EmbeddingError`, `InvalidInputError` when vectors don't fit, `DatabaseError`.
    """
    pace = pace or Pace()
    made = after = 0
    while waiting := await db.read(embedding.missing, maker.model, after, pace.step):
        texts = [one.text for one in waiting]
        vectors = await pace.on_thread(partial(maker.embed, texts))
        embedded = [
            Embedded(one.passage_id, one.source, vector)
            for one, vector in zip(waiting, vectors, strict=True)
            # A text of which the model knows no word has no direction.
            if any(vector)
        ]
        made += await db.write(embedding.save, maker.model, embedded)
        after = waiting[-1].passage_id
        await pace.rest()
    if made:
        await db.write(embedding.finish, maker.model)
    while await db.read(embedding.is_behind, maker.model):
        await db.write(embedding.catch_up, maker.model)
        await pace.rest()
    return made


class Embedding:
    """Keeps vectors up to date while a swarm runs, also after a change of the model."""

    def __init__(self, parts: Parts, state: State) -> None:
        self._parts, self._state = parts, state
        self._said = ""

    async def loop(self) -> None:
        """Runs until cancelled; ends at once when there is no embedder."""
        maker = self._parts.embedder
        while maker is not None:
            await self.round(maker)
            await self._parts.clock.sleep(INTERVAL_SECONDS)

    async def round(self, maker: Embedder) -> None:
        """What can't be done waits, and is told once: words are searched all the same."""
        try:
            await embed_missing(self._parts.db, maker)
            self._said = ""
        except AbathurError as error:
            kind = "meanings wait" if isinstance(error, EmbeddingError) else "vectors wait"
            if (text := f"{kind}: {error}") != self._said:
                self._state.warn(text)
                self._said = text
