"""Finding memories and documents: by their words, by what they mean, and why each was found."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from abathur.domain.memories import Memory
from abathur.domain.search import CANDIDATES, excerpt, fused, matched, words_of
from abathur.ports.memory import DocumentFilter, MemoryFilter, Passage
from abathur.ports.stores import Stores
from abathur.ports.vectors import Source


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a question means, as a vector."""

    model: str
    """Only vectors that this one made can be compared with it."""
    vector: Sequence[float]


@dataclass(frozen=True, slots=True)
class Why:
    """What made something a hit."""

    score: float
    """The sum of `1 / (60 + rank)` over the rankings; see `search.fused`."""
    words: Sequence[str]
    """Of the question, as they stand in it."""
    word_rank: int | None
    """1 for the best by words; None when it wasn't found by them."""
    meaning_rank: int | None
    """The same by meaning."""
    similarity: float | None
    """The cosine of the two meanings, at most 1; None when they weren't compared."""


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
    stores: Stores,
    text: str,
    where: MemoryFilter,
    *,
    now: datetime,
    meaning: Meaning | None = None,
) -> Sequence[MemoryHit]:
    """The best first, at most `where.limit`. Nothing in `text` is taken for syntax.

    With a `meaning`, what has the same words and what means the same are found alike.
    """

    def allowed(ids: Collection[int] | None) -> Collection[int]:
        return stores.passages.allowed_memories(ids, where, now)

    words = words_of(text)
    by_words: Sequence[int] = ()
    if words:
        by_words = stores.passages.memories_by_words(words, where, now, CANDIDATES)
    by_meaning = _nearest(stores, "memory", meaning, where.limit, allowed)
    ranked = _ranked(by_words, by_meaning, where.limit)
    passages = stores.passages.get_many([one.id for one in ranked])
    wanted = [p.memory_id for p in passages.values() if p.memory_id is not None]
    memories = {one.id: one for one in stores.memories.by_ids(wanted)}
    return [
        MemoryHit(
            memories[passage.memory_id], excerpt(passage.text, words), _why(one, passage, words)
        )
        for one in ranked
        if (passage := passages.get(one.id)) and passage.memory_id in memories
    ]


def search_documents(
    stores: Stores, text: str, where: DocumentFilter, *, meaning: Meaning | None = None
) -> Sequence[DocumentHit]:
    """As `search_memories`, in documents."""

    def allowed(ids: Collection[int] | None) -> Collection[int]:
        return stores.passages.allowed_documents(ids, where)

    words = words_of(text)
    by_words: Sequence[int] = ()
    if words:
        by_words = stores.passages.documents_by_words(words, where, CANDIDATES)
    by_meaning = _nearest(stores, "document", meaning, where.limit, allowed)
    ranked = _ranked(by_words, by_meaning, where.limit)
    passages = stores.passages.get_many([one.id for one in ranked])
    return [
        _document_hit(passage, words, _why(one, passage, words))
        for one in ranked
        if (passage := passages.get(one.id))
    ]


def _document_hit(passage: Passage, words: Sequence[str], why: Why) -> DocumentHit:
    return DocumentHit(
        file_path=passage.file_path or "",
        namespace=passage.namespace or "",
        document_id=passage.document_id or 0,
        heading=passage.heading,
        first_line=passage.first_line or 1,
        last_line=passage.last_line or 1,
        excerpt=excerpt(passage.text, words),
        why=why,
    )


def _nearest(
    stores: Stores,
    source: Source,
    meaning: Meaning | None,
    limit: int,
    allowed: Callable[[Collection[int] | None], Collection[int]],
) -> Mapping[int, float]:
    """Id -> similarity, the nearest first.

    The nearest of all are looked at first; when the filter lets too few of these through, the
    nearest of those that it lets through.
    """
    if meaning is None:
        return {}
    found = dict(stores.vectors.nearest(source, meaning.model, meaning.vector, CANDIDATES))
    kept = {one: found[one] for one in allowed(found.keys())} if found else {}
    if len(kept) < limit and len(found) >= CANDIDATES:
        among = allowed(None)
        kept = dict(
            stores.vectors.nearest(source, meaning.model, meaning.vector, CANDIDATES, among)
        )
    return dict(sorted(kept.items(), key=lambda one: (-one[1], one[0])))


@dataclass(frozen=True, slots=True)
class _Ranked:
    id: int
    score: float
    word_rank: int | None
    meaning_rank: int | None
    similarity: float | None


def _ranked(
    by_words: Sequence[int], by_meaning: Mapping[int, float], limit: int
) -> Sequence[_Ranked]:
    words = {one: place for place, one in enumerate(by_words, 1)}
    meanings = {one: place for place, one in enumerate(by_meaning, 1)}
    best = list(fused([list(words), list(meanings)]).items())[:limit]
    return [
        _Ranked(one, score, words.get(one), meanings.get(one), by_meaning.get(one))
        for one, score in best
    ]


def _why(one: _Ranked, passage: Passage, words: Sequence[str]) -> Why:
    return Why(
        score=one.score,
        words=matched(words, f"{passage.heading} {passage.text}"),
        word_rank=one.word_rank,
        meaning_rank=one.meaning_rank,
        similarity=one.similarity,
    )
