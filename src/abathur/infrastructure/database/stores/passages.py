"""What can be searched, by its words."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from abathur.domain.documents import Chunk
from abathur.infrastructure.database.engines.base import Session
from abathur.infrastructure.database.stores.memories import conditions
from abathur.ports.memory import DocumentFilter, MemoryFilter, Passage


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
        self, words: str, where: MemoryFilter, now: datetime, limit: int
    ) -> Sequence[int]:
        rows = self._session.fetch(
            "passages_memory_words", **conditions(where, now), words=words, limit=limit
        )
        return [row["id"] for row in rows]

    def documents_by_words(self, words: str, where: DocumentFilter, limit: int) -> Sequence[int]:
        rows = self._session.fetch(
            "passages_document_words",
            words=words,
            namespace=where.namespace,
            under=where.under,
            limit=limit,
        )
        return [row["id"] for row in rows]

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

    def get_many(self, ids: Collection[int]) -> Mapping[int, Passage]:
        rows = self._session.fetch("passages_by_ids", ids=list(ids)) if ids else []
        return {row["id"]: Passage(**row) for row in rows}
