"""What memories and documents need besides the database: an embedder, and the files."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from abathur import safeguards

if TYPE_CHECKING:
    from abathur.bootstrap import Project
    from abathur.domain.documents import Listing, NewDocument
    from abathur.ports.stores import UnitOfWork
    from abathur.ports.vectors import Embedder
    from abathur.services.searching import Meaning

MOST_BYTES: Final = 4_000_000
"""Of a file that is indexed."""


def embedder(project: Project) -> Embedder | None:
    """Who says what texts mean in this project; None when nobody is configured.

    Raises `EmbeddingError`, and `UntrustedError` when nobody has agreed to what the repository's
    files say: they may name a server, and a model is a file that is loaded.
    """
    from abathur.domain.errors import EmbeddingError

    settings = project.settings.memory
    if settings.embedder is None:
        return None
    safeguards.require_trust(project.root, os.environ)
    if settings.model is None:
        raise EmbeddingError(
            f"`memory.embedder: {settings.embedder}` needs `memory.model`: a folder, or the name "
            "of the server's model"
        )
    if settings.embedder == "model2vec":
        from abathur.infrastructure.embedders.static_model import StaticModel

        return StaticModel(project.root / Path(settings.model).expanduser())
    from abathur.infrastructure.embedders.server import EmbeddingServer

    return EmbeddingServer(settings.embedder, settings.model, settings.url, settings.key_variable)


async def meaning_of(maker: Embedder | None, text: str) -> Meaning | None:
    """Of a question. Raises `EmbeddingError`."""
    from abathur.swarm.embedding import meaning_of as ask

    return await ask(maker, text)


async def embed_missing(db: UnitOfWork, maker: Embedder) -> int:
    """Give all passages that lack one a vector; how many. Raises `EmbeddingError`."""
    from abathur.swarm.embedding import embed_missing as embed

    return await embed(db, maker)


async def files_below(root: Path, places: Sequence[Path], *, with_ignored: bool = False) -> Listing:
    """The files there, without what git ignores unless that is asked for.

    Raises `InvalidInputError` for a place outside of the project, `GitError`.
    """
    from abathur.infrastructure.document_files import listed

    return await listed(root, places, with_ignored=with_ignored)


def is_file(root: Path, path: str) -> bool:
    """Whether a regular file is there, no link to one."""
    from abathur.infrastructure.document_files import is_file as look

    return look(root, path)


def read_document(root: Path, path: str, namespace: str) -> NewDocument | str:
    """The document, taken apart; or why the file can't be one."""
    from abathur.infrastructure.document_files import read

    return read(root, path, namespace, MOST_BYTES)


def stamp_of(root: Path, path: str) -> object:
    """Another one once the file is another; None while that can't be told."""
    from abathur.infrastructure.document_files import stamp

    return stamp(root, path, time.time_ns())


async def changes(root: Path, places: Sequence[Path]) -> AsyncIterator[None]:
    """Something below these places may have changed, again and again.

    Raises `InvalidInputError` when the program for that isn't installed.
    """
    from abathur.infrastructure.document_files import watched

    async for _ in watched(root, places):
        yield
