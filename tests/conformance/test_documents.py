"""Documents: indexed when they change, found by file, line and heading, gone when removed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from abathur.domain.audit import Action
from abathur.domain.documents import Chunk, NewDocument
from abathur.domain.errors import NotFoundError
from abathur.ports.memory import DocumentFilter
from abathur.services import documents

if TYPE_CHECKING:
    from tests.conformance.conftest import Queue

BOB = "mcp:bob"
CHUNKS = (
    Chunk("Guide > Install", "Run the installer with sudo.", 3, 9),
    Chunk("Guide > Remove", "Delete the folder.", 10, 12),
)


async def index(
    queue: Queue, path: str = "docs/guide.md", chunks: tuple[Chunk, ...] = CHUNKS, **fields: Any
) -> bool:
    new = NewDocument(
        **{
            "file_path": path,
            "title": "Guide",
            "document_type": "markdown",
            "content_hash": str(hash(chunks)),
            "chunks": chunks,
            **fields,
        }
    )
    return (await queue.write(documents.index, new, actor=BOB, now=queue.now))[1]


async def find(queue: Queue, text: str, **where: Any) -> list[tuple[str, str, int]]:
    hits = await queue.read(documents.search, text, DocumentFilter(**where))
    return [(hit.file_path, hit.heading, hit.first_line) for hit in hits]


async def test_a_place_is_found_by_file_heading_and_line(queue: Queue) -> None:
    assert await index(queue)
    assert await find(queue, "sudo installing") == [("docs/guide.md", "Guide > Install", 3)]
    assert await find(queue, "remove?") == [("docs/guide.md", "Guide > Remove", 10)]


async def test_only_what_changed_is_indexed_again(queue: Queue) -> None:
    assert await index(queue)
    assert not await index(queue)
    assert await index(queue, chunks=CHUNKS[:1])
    assert await find(queue, "delete folder") == []
    actions = [one.action_type for one in await queue.audit()]
    assert actions == [Action.DOCUMENT_INDEXED] * 2
    assert await queue.db.check(full=True) == []


async def test_a_removed_document_is_in_no_answer(queue: Queue) -> None:
    await index(queue)
    await queue.write(documents.remove, "docs/guide.md", actor=BOB, now=queue.now)
    assert await find(queue, "sudo") == []
    assert await queue.read(documents.select, DocumentFilter()) == []
    with pytest.raises(NotFoundError):
        await queue.write(documents.remove, "docs/guide.md", actor=BOB, now=queue.now)


async def test_a_folder_means_what_is_below_it(queue: Queue) -> None:
    for path in ("docs/a.md", "docs/sub/b.md", "docs-old/c.md", "d.md"):
        await index(queue, path, CHUNKS[:1], namespace="team:web" if path < "docs/" else "team")
    assert {path for path, *_ in await find(queue, "sudo", under="docs")} == {
        "docs/a.md",
        "docs/sub/b.md",
    }
    assert {path for path, *_ in await find(queue, "sudo", namespace="team:web")} == {
        "d.md",
        "docs-old/c.md",
    }
    listed = await queue.read(documents.select, DocumentFilter(after="docs-old/c.md", limit=1))
    assert [one.file_path for one in listed] == ["docs/a.md"]
