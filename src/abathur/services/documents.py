"""Documents: indexed when they changed, searched, and taken out when they are gone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from abathur.domain.audit import Action
from abathur.domain.documents import Document, NewDocument, check_path
from abathur.domain.errors import NotFoundError
from abathur.domain.memories import check_namespace
from abathur.ports.memory import DocumentFilter
from abathur.ports.stores import Stores
from abathur.services import trail
from abathur.services.searching import DocumentHit, Meaning, search_documents


def index(
    stores: Stores,
    new: NewDocument,
    *,
    actor: str,
    now: datetime,
    task_id: str | None = None,
) -> tuple[Document, bool]:
    """The document as it is stored, and whether it was written: not when nothing has changed.

    Raises `InvalidInputError`.
    """
    check_path(new.file_path)
    if new.namespace:
        check_namespace(new.namespace)
    old = stores.documents.get(new.file_path)
    if old is not None and is_same(old, new):
        return old, False
    document_id = stores.documents.save(new, now)
    stores.passages.set_document(document_id, new.chunks)
    kept = stores.documents.get(new.file_path)
    assert kept is not None
    told = {"file_path": new.file_path, "content_hash": new.content_hash, "was": old and old.id}
    known = trail.known(stores, task_id)
    trail.record(stores, Action.DOCUMENT_INDEXED, known, actor, now, **told)
    return kept, True


def is_same(old: Document, new: NewDocument) -> bool:
    """Whether there is nothing to write."""
    return (
        old.sync_status == "synced"
        and (old.content_hash, old.namespace, old.chunk_count)
        == (new.content_hash, new.namespace, len(new.chunks))
        and (old.document_type, old.metadata) == (new.document_type, new.metadata)
    )


def select(stores: Stores, where: DocumentFilter) -> Sequence[Document]:
    """In order of their paths."""
    return stores.documents.select(where)


def hashes(stores: Stores, where: DocumentFilter) -> dict[str, str]:
    """Path -> content hash of those that needn't be indexed again while it stays so."""
    return {
        one.file_path: one.content_hash
        for one in stores.documents.select(where)
        if one.sync_status == "synced"
    }


def search(
    stores: Stores, text: str, where: DocumentFilter, *, meaning: Meaning | None = None
) -> Sequence[DocumentHit]:
    """The best places first. Nothing in `text` is taken for syntax."""
    return search_documents(stores, text, where, meaning=meaning)


def remove(stores: Stores, file_path: str, *, actor: str, now: datetime) -> None:
    """Raises `NotFoundError`."""
    old = stores.documents.get(file_path)
    if old is None:
        raise NotFoundError(
            f"no document {file_path} is indexed; `abathur docs list` shows which are"
        )
    stores.documents.remove(old.id)
    trail.record(stores, Action.DOCUMENT_REMOVED, "", actor, now, file_path=file_path)
