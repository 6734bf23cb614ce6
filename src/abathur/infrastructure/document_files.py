"""Files that can be documents: listed by git, read with care, watched on request."""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator, Sequence
from hashlib import sha256
from pathlib import Path

from abathur.domain.chunking import chunks_of, kind_of, title_of
from abathur.domain.documents import NewDocument
from abathur.domain.errors import InvalidInputError
from abathur.infrastructure.git.commands import Git

OURS = ".abathur"


def inside(root: Path, place: Path) -> str:
    """The path relative to the project. Raises `InvalidInputError` when it leads out of it."""
    found = (root / place).resolve()
    if not found.is_relative_to(root.resolve()):
        raise InvalidInputError(f"{place} isn't inside the project {root}; index what is in it")
    return found.relative_to(root.resolve()).as_posix()


async def listed(root: Path, places: Sequence[Path]) -> Sequence[str]:
    """Files below the places that git knows or doesn't ignore, in order."""
    paths = [inside(root, place) for place in places]
    found = await Git(root).run(
        "--literal-pathspecs",
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
        "--",
        *paths,
    )
    names = {os.fsdecode(field) for field in found.fields}
    return sorted(
        name for name in names if not name.startswith(f"{OURS}/") and _is_file(root, name)
    )


def _is_file(root: Path, name: str) -> bool:
    try:
        return stat.S_ISREG((root / name).lstat().st_mode)
    except OSError:
        return False


def read(root: Path, path: str, namespace: str, most: int) -> NewDocument | str:
    """Never follows a link in place of the file."""
    try:
        descriptor = os.open(root / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                return "no regular file"
            data = stream.read(most + 1)
    except OSError as error:
        return (error.strerror or "it can't be read").lower()
    if len(data) > most:
        return f"longer than {most} bytes"
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return "no UTF-8 text"
    if "\0" in text:
        return "no text"
    kind = kind_of(path)
    return NewDocument(
        file_path=path,
        title=title_of(text, path, kind),
        document_type=kind,
        content_hash=sha256(data).hexdigest(),
        chunks=tuple(chunks_of(text, kind)),
        namespace=namespace,
    )


async def watched(root: Path, places: Sequence[Path]) -> AsyncIterator[None]:
    try:
        from watchfiles import DefaultFilter, awatch
    except ImportError as error:
        raise InvalidInputError("--watch needs `pip install 'abathur[watch]'`") from error
    folders = [root / inside(root, place) for place in places]
    # Our own writes aren't news.
    others = DefaultFilter(ignore_dirs=(*DefaultFilter.ignore_dirs, OURS))
    async for _ in awatch(*folders, watch_filter=others):
        yield
