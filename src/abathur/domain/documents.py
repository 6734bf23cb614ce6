"""Documents: files that are indexed piece by piece, so that a place in them can be found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from abathur.domain.errors import InvalidInputError
from abathur.domain.records import record
from abathur.domain.tasks import JsonObject

MAX_PATH: Final = 1000
IGNORED: Final = "ignored"
"""In the metadata: git ignores the file, and it was asked for all the same."""
GIVEN: Final = "given"
"""In the metadata: its text came from a client, and no file may be there."""
MAX_CONTENT: Final = 4_000_000
"""Characters of a document that is indexed at all."""


@dataclass(frozen=True, slots=True)
class Chunk:
    heading: str
    """What it stands under: titles from the outside in, or the name of a definition."""
    text: str
    first_line: int
    last_line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDocument:
    file_path: str
    title: str
    document_type: str
    """`markdown`, `source` or `text`."""
    content_hash: str
    """SHA-256 of its bytes in hex."""
    chunks: tuple[Chunk, ...]
    namespace: str = ""
    metadata: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Files of a project that can be documents, by paths relative to it."""

    files: Sequence[str] = ()
    ignored: Sequence[str] = ()
    """Those among them that git ignores."""
    left_out: Sequence[tuple[str, str]] = ()
    """What was asked for and can't be one, and why."""


@record
class Document:
    id: int
    file_path: str
    title: str
    document_type: str | None
    content_hash: str
    chunk_count: int
    namespace: str
    sync_status: str
    """`synced`; another word for what an older version left, whose text isn't known."""
    metadata: JsonObject
    last_synced_at: datetime | None
    created_at: datetime
    updated_at: datetime


def check_path(file_path: str) -> None:
    if not file_path or len(file_path) > MAX_PATH or "\0" in file_path:
        raise InvalidInputError(
            f"the path of a document must have 1 to {MAX_PATH} characters; change it"
        )
