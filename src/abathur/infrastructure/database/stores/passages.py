"""What can be searched, by its words."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from abathur.domain.search import any_of, fused, pairs_of
from abathur.infrastructure.database.stores.memories import conditions
from abathur.ports.memory import Passage

if TYPE_CHECKING:
    from abathur.domain.documents import Chunk
    from abathur.infrastructure.database.engines.base import Session
    from abathur.ports.memory import DocumentFilter, MemoryFilter

AHEAD: Final = 2
"""So many times as many as wanted are ranked before a filter is asked."""
FREQUENT: Final = 10_000
"""Passages that have a word, before it is called a frequent one."""


class SqlPassages:
    """Meets `ports.memory.PassageStore`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def set_memory(self, memory_id: int, heading: str, text: str) -> None:
        self.drop_memory(memory_id)
        self._session.execute("passages_of_memory", memory_id=memory_id, heading=heading, text=text)

    def drop_memory(self, memory_id: int) -> None:
        self._session.execute("passages_drop_memory", memory_id=memory_id)

    def set_document(self, document_id: int, chunks: Sequence[Chunk]) -> None:
        self._session.execute("passages_drop_document", document_id=document_id)
        self._session.execute_many(
            "passages_of_document",
            [
                {
                    "document_id": document_id,
                    "heading": chunk.heading,
                    "text": chunk.text,
                    "first_line": chunk.first_line,
                    "last_line": chunk.last_line,
                }
                for chunk in chunks
            ],
        )

    def memories_by_words(
        self, words: Sequence[str], where: MemoryFilter, now: datetime, limit: int
    ) -> Sequence[int]:
        wanted = any_of(self._telling(words))
        found = self._ranked(wanted, pairs_of(words), limit)
        kept = _kept(found, limit, lambda ids: self.allowed_memories(ids, where, now))
        if len(kept) >= limit or len(found) < limit * AHEAD:
            return kept[:limit]
        rows = self._session.fetch(
            "passages_memory_words", **conditions(where, now), words=wanted, limit=limit
        )
        return _with([row["id"] for row in rows], kept, limit)

    def documents_by_words(
        self, words: Sequence[str], where: DocumentFilter, limit: int
    ) -> Sequence[int]:
        wanted = any_of(self._telling(words))
        found = self._ranked(wanted, pairs_of(words), limit)
        kept = _kept(found, limit, lambda ids: self.allowed_documents(ids, where))
        if len(kept) >= limit or len(found) < limit * AHEAD:
            return kept[:limit]
        rows = self._session.fetch(
            "passages_document_words",
            words=wanted,
            namespace=where.namespace,
            under=where.under,
            limit=limit,
        )
        return _with([row["id"] for row in rows], kept, limit)

    def _ranked(self, wanted: str, pairs: Sequence[str], limit: int) -> Sequence[int]:
        rows = self._session.fetch("passages_by_words", words=wanted, limit=limit * AHEAD)
        by_words = [row["id"] for row in rows]
        if not pairs:
            return by_words
        # All texts are read for them, as there is no index.
        rows = self._session.fetch("passages_by_pairs", pairs=list(pairs), limit=limit * AHEAD)
        return list(fused([by_words, [row["id"] for row in rows]]))

    def _telling(self, words: Sequence[str]) -> Sequence[str]:
        """Without words that very many passages have, unless all are such: they tell little."""
        if len(words) < 2:
            return words
        counts = {
            word: self._session.fetch("passages_with_word", word=any_of([word]), limit=FREQUENT)
            for word in words
        }
        rare = [word for word, (row,) in counts.items() if 0 < row["n"] < FREQUENT]
        return rare or words

    def allowed_memories(
        self, ids: Collection[int] | None, where: MemoryFilter, now: datetime
    ) -> Collection[int]:
        wanted = conditions(where, now)
        if ids is None:
            rows = self._session.fetch("passages_memory_all", **wanted)
        else:
            rows = self._session.fetch("passages_memory_allowed", **wanted, ids=list(ids))
        return {row["id"] for row in rows}

    def allowed_documents(
        self, ids: Collection[int] | None, where: DocumentFilter
    ) -> Collection[int]:
        wanted = {"namespace": where.namespace, "under": where.under}
        if ids is None:
            rows = self._session.fetch("passages_document_all", **wanted)
        else:
            rows = self._session.fetch("passages_document_allowed", **wanted, ids=list(ids))
        return {row["id"] for row in rows}

    def count(self) -> int:
        (row,) = self._session.fetch("passages_count")
        return int(row["n"])

    def get_many(self, ids: Collection[int]) -> Mapping[int, Passage]:
        rows = self._session.fetch("passages_by_ids", ids=list(ids)) if ids else []
        return {row["id"]: Passage(**row) for row in rows}


def _kept(
    found: Sequence[int], limit: int, allowed: Callable[[Sequence[int]], Collection[int]]
) -> list[int]:
    """Those that are allowed, in their order; no more are asked about than it takes for `limit`."""
    kept: list[int] = []
    for start in range(0, len(found), limit):
        if len(kept) < limit:
            page = found[start : start + limit]
            fitting = allowed(page)
            kept += [one for one in page if one in fitting]
    return kept


def _with(found: Sequence[int], kept: Sequence[int], limit: int) -> Sequence[int]:
    """And what was found by pairs of characters alone."""
    return list(dict.fromkeys([*found, *kept]))[:limit]
