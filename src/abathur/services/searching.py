"""Finding memories and documents: by their words, and why each was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from abathur.domain.memories import Memory
from abathur.domain.search import CANDIDATES, any_of, excerpt, fused, matched, words_of
from abathur.ports.memory import DocumentFilter, MemoryFilter, Passage
from abathur.ports.stores import Stores


@dataclass(frozen=True, slots=True)
class Why:
    """What made something a hit."""

    score: float
    """The sum of `1 / (60 + rank)` over the rankings; see `search.fused`."""
    words: Sequence[str]
    """Of the question, as they stand in it."""
    word_rank: int | None
    """1 for the best by words; None when it wasn't found by them."""


@dataclass(frozen=True, slots=True)
class MemoryHit:
    memory: Memory
    excerpt: str
    why: Why


@dataclass(frozen=True, slots=True)
class DocumentHit:
    file_path: str
    namespace: str
    document_id: int
    heading: str
    first_line: int
    last_line: int
    excerpt: str
    why: Why


def search_memories(
    stores: Stores, text: str, where: MemoryFilter, *, now: datetime
) -> Sequence[MemoryHit]:
    """The best first, at most `where.limit`. Nothing in `text` is taken for syntax."""
    words = words_of(text)
    by_words = (
        stores.passages.memories_by_words(any_of(words), where, now, CANDIDATES) if words else []
    )
    scores = _best(fused([by_words]), where.limit)
    passages = stores.passages.get_many(scores.keys())
    memories = {
        one.id: one
        for one in stores.memories.by_ids([p.memory_id for p in passages.values() if p.memory_id])
    }
    return [
        MemoryHit(
            memories[passage.memory_id], excerpt(passage.text, words), _why(one, passage, words)
        )
        for one in _Ranked.all(scores, by_words)
        if (passage := passages.get(one.id)) and passage.memory_id in memories
    ]


def search_documents(stores: Stores, text: str, where: DocumentFilter) -> Sequence[DocumentHit]:
    """As `search_memories`, in documents."""
    words = words_of(text)
    by_words = stores.passages.documents_by_words(any_of(words), where, CANDIDATES) if words else []
    scores = _best(fused([by_words]), where.limit)
    passages = stores.passages.get_many(scores.keys())
    return [
        DocumentHit(
            file_path=passage.file_path or "",
            namespace=passage.namespace or "",
            document_id=passage.document_id or 0,
            heading=passage.heading,
            first_line=passage.first_line or 1,
            last_line=passage.last_line or 1,
            excerpt=excerpt(passage.text, words),
            why=_why(one, passage, words),
        )
        for one in _Ranked.all(scores, by_words)
        if (passage := passages.get(one.id))
    ]


@dataclass(frozen=True, slots=True)
class _Ranked:
    id: int
    score: float
    word_rank: int | None

    @classmethod
    def all(cls, scores: Mapping[int, float], by_words: Sequence[int]) -> Sequence[_Ranked]:
        ranks = {one: place for place, one in enumerate(by_words, 1)}
        return [cls(one, score, ranks.get(one)) for one, score in scores.items()]


def _best(scores: Mapping[int, float], limit: int) -> Mapping[int, float]:
    return dict(list(scores.items())[:limit])


def _why(one: _Ranked, passage: Passage, words: Sequence[str]) -> Why:
    return Why(one.score, matched(words, f"{passage.heading} {passage.text}"), one.word_rank)
