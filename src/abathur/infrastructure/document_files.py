"""Files that can be documents: listed by git, read with care, watched on request."""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

from abathur.domain.chunking import chunks_of, kind_of, title_of
from abathur.domain.documents import Listing, NewDocument
from abathur.domain.errors import InvalidInputError
from abathur.infrastructure.git.commands import Git

OURS: Final = ".abathur"
OUTSIDE: Final = "it leads out of the project"
FRESH_NS: Final = 2_000_000_000
"""A file that changed within this time may change again without another time stamp."""
LOOK_MILLISECONDS: Final = 30_000
"""After which a look is taken although nothing was heard: of a rule elsewhere, of a lost word."""

Stamp = tuple[int, int, int]


def inside(root: Path, place: Path) -> str:
    """The path relative to the project. Raises `InvalidInputError` when it leads out of it."""
    found = (root / place).resolve()
    if not found.is_relative_to(root.resolve()):
        raise InvalidInputError(f"{place} isn't inside the project {root}; index what is in it")
    return found.relative_to(root.resolve()).as_posix()


async def listed(root: Path, places: Sequence[Path], *, with_ignored: bool = False) -> Listing:
    """Files below the places that git knows or doesn't ignore, in order; the others on request."""
    left_out = [(_shown(root, one), OUTSIDE) for one in places if _leads_out(root, one)]
    paths = [inside(root, one) for one in places if not _leads_out(root, one)]
    if not paths:
        return Listing(left_out=left_out)
    git = Git(root)
    names = await _names(git, paths, "--cached", "--others")
    ignored = await _names(git, paths, "--others", "--ignored") if with_ignored else set()
    files = {name: _what_else(root, name) for name in sorted(names | ignored)}
    left_out += [(name, why) for name, why in files.items() if why]
    for path in paths:
        if not any(path in (".", name) or name.startswith(f"{path}/") for name in files):
            left_out += await _reason(git, path)
    fitting = [name for name, why in files.items() if why is None]
    return Listing(
        files=fitting,
        ignored=[name for name in fitting if name in ignored],
        left_out=left_out,
    )


async def _names(git: Git, paths: Sequence[str], *which: str) -> set[str]:
    found = await git.run(
        "--literal-pathspecs", "ls-files", "-z", *which, "--exclude-standard", "--", *paths
    )
    names = {os.fsdecode(field).rstrip("/") for field in found.fields}
    return {name for name in names if not name.startswith(f"{OURS}/")}


def is_file(root: Path, name: str) -> bool:
    return _what_else(root, name) is None


def _what_else(root: Path, name: str) -> str | None:
    """Why what stands there is no file of the project; empty when nothing does."""
    try:
        mode = (root / name).lstat().st_mode
    except OSError:
        return ""
    if stat.S_ISREG(mode):
        return None
    if stat.S_ISLNK(mode):
        return "a symbolic link; index what it leads to"
    return "a repository of its own; index it there" if stat.S_ISDIR(mode) else "no regular file"


def _leads_out(root: Path, place: Path) -> bool:
    """Whether it stands in the project, and is a link to somewhere else."""
    stands_in = Path(os.path.normpath(root / place)).is_relative_to(root)
    return stands_in and not (root / place).resolve().is_relative_to(root.resolve())


def _shown(root: Path, place: Path) -> str:
    return Path(os.path.normpath(root / place)).relative_to(root).as_posix()


async def _reason(git: Git, path: str) -> Sequence[tuple[str, str]]:
    """Why nothing of a place that was asked for is listed; nothing when it is gone."""
    place = git.folder / path
    if not place.exists():
        return []
    if path.partition("/")[0] in (OURS, ".git"):
        return [(path, "what Abathur and git keep for themselves is never indexed")]
    if rule := await _rule(git, path):
        return [(path, f"{rule}; `--ignored` indexes it all the same")]
    if not place.is_dir():
        return [(path, "no regular file")]
    return [(path, "no file is in it, or git ignores them all; `--ignored` indexes those")]


async def _rule(git: Git, path: str) -> str | None:
    """What ignores it, and where that stands."""
    asked = ("check-ignore", "--verbose", "-z", "--stdin")
    found = await git.run(*asked, stdin=os.fsencode(path) + b"\0", codes=(0, 1, 128))
    if found.code or len(found.fields) < 3:
        return None
    source, line, pattern = map(os.fsdecode, found.fields[:3])
    return None if pattern.startswith("!") else f"`{pattern}` in {source}:{line} ignores it"


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


def stamp(root: Path, path: str, now_ns: int) -> Stamp | None:
    """Another one after any change; None where that can't be relied on yet."""
    try:
        found = (root / path).lstat()
    except OSError:
        return None
    # Not the time of its content, which anybody can set back.
    is_fresh = abs(now_ns - found.st_ctime_ns) < FRESH_NS
    return None if is_fresh else (found.st_ctime_ns, found.st_size, found.st_ino)


async def watched(root: Path, places: Sequence[Path]) -> AsyncIterator[None]:
    try:
        from watchfiles import Change, DefaultFilter, awatch
    except ImportError as error:
        raise InvalidInputError("--watch needs `pip install 'abathur[watch]'`") from error
    wanted = [root.resolve() / inside(root, place) for place in places]
    # A file that is saved by putting another in its place isn't heard of, but its folder is.
    only_files = not any(one.is_dir() for one in wanted)
    folders = {one if one.is_dir() else _nearest(one.parent) for one in wanted}

    class Wanted(DefaultFilter):
        def __call__(self, change: Change, path: str) -> bool:
            is_below = any(Path(path).is_relative_to(one) for one in wanted)
            return is_below and super().__call__(change, path)

    async for _ in awatch(
        *folders,
        # Our own writes aren't news.
        watch_filter=Wanted(ignore_dirs=(*DefaultFilter.ignore_dirs, OURS)),
        recursive=not only_files,
        rust_timeout=LOOK_MILLISECONDS,
        yield_on_timeout=True,
        ignore_permission_denied=True,
    ):
        yield


def _nearest(folder: Path) -> Path:
    """It, or the first above it that is there."""
    return folder if folder.is_dir() else _nearest(folder.parent)
