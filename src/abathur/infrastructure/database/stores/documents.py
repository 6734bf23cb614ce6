"""Documents that are indexed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from abathur.domain.documents import Document
from abathur.domain.records import made
from abathur.infrastructure.database.codecs import json_of, moment, time_of

if TYPE_CHECKING:
    from abathur.domain.documents import NewDocument
    from abathur.infrastructure.database.engines.base import Row, Session
    from abathur.ports.memory import DocumentFilter


class SqlDocuments:
    """Meets `ports.memory.DocumentStore`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, file_path: str) -> Document | None:
        row = self._session.fetch_one("documents_get", file_path=file_path)
        return None if row is None else _document_of(row)

    def select(self, where: DocumentFilter) -> Sequence[Document]:
        rows = self._session.fetch(
            "documents_select",
            namespace=where.namespace,
            under=where.under,
            after=where.after,
            limit=where.limit,
        )
        return [_document_of(row) for row in rows]

    def save(self, new: NewDocument, now: datetime) -> int:
        (row,) = self._session.fetch(
            "documents_save",
            file_path=new.file_path,
            title=new.title,
            document_type=new.document_type,
            content_hash=new.content_hash,
            chunk_count=len(new.chunks),
            metadata=new.metadata,
            last_synced_at=now,
            updated_at=now,
            namespace=new.namespace,
        )
        return int(row["id"])

    def remove(self, document_id: int) -> None:
        self._session.execute("passages_drop_document", document_id=document_id)
        self._session.execute("documents_remove", id=document_id)


def _document_of(row: Row) -> Document:
    row.pop("embedding_model")
    row.pop("embedding_blob")
    row["metadata"] = json_of(row["metadata"]) or {}
    row["last_synced_at"] = time_of(row["last_synced_at"])
    row["created_at"] = moment(row["created_at"])
    row["updated_at"] = moment(row["updated_at"])
    return made(Document, row)
