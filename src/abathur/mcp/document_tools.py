"""Tools about documents: put one into the index, and find places in them."""

from __future__ import annotations

from hashlib import sha256
from pathlib import PurePosixPath
from typing import Final

from abathur.bootstrap.remembering import meaning_of
from abathur.domain.chunking import chunks_of, kind_of, title_of
from abathur.domain.documents import GIVEN, Document, NewDocument
from abathur.domain.errors import AbathurError, InvalidInputError
from abathur.domain.memories import SEPARATOR
from abathur.mcp.enqueueing import own_task
from abathur.mcp.memory_tools import NAMESPACE
from abathur.mcp.tool import (
    MOST_BYTES,
    Answer,
    Call,
    Tool,
    listing,
    maybe,
    number,
    text,
    thing,
    truth,
    whole,
)
from abathur.ports.memory import DocumentFilter
from abathur.ports.stores import Stores
from abathur.services import documents, reaching
from abathur.services.searching import DocumentHit, Meaning

MOST_FOUND: Final = 100
LOOKED_AT: Final = 400
"""Places that are found for a run, before those that it may not see are left out."""


async def index(call: Call) -> Answer:
    own, args = await own_task(call), call.args
    path, content = _inside(args["file_path"]), args["content"]
    kind = kind_of(path)
    new = NewDocument(
        file_path=path,
        title=title_of(content, path, kind),
        document_type=kind,
        content_hash=sha256(content.encode()).hexdigest(),
        chunks=tuple(chunks_of(content, kind)),
        namespace=args["namespace"],
        metadata={GIVEN: True},
    )

    def write(stores: Stores) -> tuple[Document, bool]:
        if own is not None:
            settings = call.host.project.settings.mcp
            reaching.check_writable(stores, own, new.namespace, settings)
            reaching.check_document(stores, own, path, settings)
        task_id = own.id if own else None
        actor, now = call.caller.actor, call.now
        return documents.index(stores, new, actor=actor, now=now, task_id=task_id)

    document, is_new = await call.write(write)
    return {"document_id": document.id, "embedding_rowid": None, "indexed": is_new}


def _inside(path: str) -> str:
    """Within the project, as the index names its files. Raises `InvalidInputError`."""
    parts = PurePosixPath(path.replace("\\", "/")).parts
    if not parts or PurePosixPath(path).is_absolute() or ".." in parts or ":" in parts[0]:
        raise InvalidInputError(
            f"file_path: `{path[:100]}` isn't a path within the project; write it like docs/api.md"
        )
    return "/".join(parts)


async def search(call: Call) -> Answer:
    own, namespace, limit = await own_task(call), call.get("namespace", ""), call.get("limit", 10)
    where = DocumentFilter(
        namespace=namespace.strip().strip(SEPARATOR) or None, limit=LOOKED_AT if own else limit
    )
    query = call.args["query_text"]
    maker, meaning = None, None
    try:
        maker = call.host.embedder()
        meaning = await meaning_of(maker, query)
    except AbathurError:
        pass  # then words have to do

    def read(stores: Stores) -> list[DocumentHit]:
        found = documents.search(stores, query, where, meaning=meaning)
        if own is None:
            return list(found)
        return [one for one in found if reaching.is_readable(stores, own, one.namespace)][:limit]

    return [_told(hit, meaning) for hit in await call.read(read)]


def _told(hit: DocumentHit, meaning: Meaning | None) -> dict[str, object]:
    similarity = hit.why.similarity
    return {
        "document_id": hit.document_id,
        "namespace": hit.namespace,
        "file_path": hit.file_path,
        "embedding_model": meaning.model if meaning else None,
        "distance": None if similarity is None else round(1 - similarity, 6),
        "score": round(hit.why.score, 6),
        "heading": hit.heading,
        "first_line": hit.first_line,
        "last_line": hit.last_line,
        "excerpt": hit.excerpt,
    }


COUNT: Final = whole("A number.", 0, 2**53)
PLACE: Final = thing(
    {
        "document_id": COUNT,
        "namespace": text("Its namespace."),
        "file_path": text("Its path."),
        "embedding_model": maybe(text("What the meanings were compared by.")),
        "distance": maybe(number("0: it means the same.", 0, 2)),
        "score": number("How well it fits.", 0, 1),
        "heading": text("What the place stands under."),
        "first_line": COUNT,
        "last_line": COUNT,
        "excerpt": text("The place.", most=10**6),
    },
    ("document_id", "file_path"),
)

TOOLS: Final = (
    Tool(
        name="document_index",
        title="Index a document",
        description="Put a document into the index, or what has changed of it.",
        takes={
            "namespace": NAMESPACE,
            "file_path": text("Its path within the project.", most=1000, least=1),
            "content": text("All of its text.", most=MOST_BYTES),
        },
        needs=("namespace", "file_path", "content"),
        gives=thing(
            {
                "document_id": COUNT,
                "embedding_rowid": maybe(COUNT),
                "indexed": truth("False: it was there, unchanged."),
            },
            ("document_id",),
        ),
        run=index,
        is_idempotent=True,
    ),
    Tool(
        name="document_semantic_search",
        title="Find places in documents",
        description="Places in indexed documents that fit the query, the best first.",
        takes={
            "query_text": text("What you look for, in words.", most=2000, least=1),
            "namespace": text("Only below this namespace.", most=200),
            "limit": whole("At most so many.", 1, MOST_FOUND, default=10),
        },
        needs=("query_text",),
        gives=listing(PLACE, "The best first.", MOST_FOUND),
        run=search,
        only_reads=True,
    ),
)
