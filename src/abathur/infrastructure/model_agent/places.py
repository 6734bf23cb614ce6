"""Which files the loop's tools may touch. Paths come from a model and are taken for hostile."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

MAX_FILE: Final = 5_000_000
MAX_WALKED: Final = 100_000
"""Entries of folders that one search looks at."""


class ToolError(Exception):
    """Told to the model in place of a result."""


class Places:
    """The worktree, and folders beside it that may be used too."""

    def __init__(self, worktree: Path, beside: tuple[Path, ...] = ()) -> None:
        self.root = worktree.resolve()
        self._roots = (self.root, *(folder.resolve() for folder in beside))

    def at(self, given: object) -> Path:
        """The place that a path means, symbolic links followed. Raises `ToolError` outside."""
        if not isinstance(given, str) or not given or "\0" in given:
            raise ToolError("a path is needed")
        try:
            place = (self.root / given).resolve()
        except (OSError, RuntimeError, ValueError) as error:
            raise ToolError(f"`{given}`: {error}") from error
        home = next((root for root in self._roots if place.is_relative_to(root)), None)
        if home is None:
            raise ToolError(f"`{given}` is outside of {self.root}; only files below it can be used")
        if ".git" in place.relative_to(home).parts:
            raise ToolError(f"`{given}` belongs to git; use git for it")
        return place

    def shown(self, place: Path) -> str:
        return str(place.relative_to(self.root)) if place.is_relative_to(self.root) else str(place)

    def read(self, given: object) -> str:
        """The text of a file. Raises `ToolError` for what is none, or too large."""
        return self._decoded(given, self._bytes(given))

    def write(self, given: object, text: str) -> Path:
        """Replaces the file, or makes it with the folders above it. Raises `ToolError`."""
        data = text.encode(errors="replace")
        if len(data) > MAX_FILE:
            raise ToolError(f"the text is larger than {MAX_FILE // 1_000_000} MB")
        place = self.at(given)
        if place in self._roots:
            raise ToolError(f"`{given}` is a folder")
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(place, flags, 0o666)
            with os.fdopen(handle, "wb") as file:
                self._check_plain(given, handle)
                os.ftruncate(handle, 0)
                file.write(data)
        except OSError as error:
            raise ToolError(f"`{given}`: {error.strerror or error}") from error
        return place

    def walk(self, place: Path) -> Iterator[Path]:
        """The files below, but git's own; links aren't followed. Ends after so many entries."""
        seen = 0
        for folder, folders, files in os.walk(place):
            folders[:] = sorted(name for name in folders if name != ".git")
            for name in sorted(files):
                if name != ".git":
                    yield Path(folder) / name
            seen += len(folders) + len(files)
            if seen > MAX_WALKED:
                return

    def _bytes(self, given: object) -> bytes:
        place = self.at(given)
        # Without waiting: a pipe would keep us for ever.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            handle = os.open(place, flags)
            with os.fdopen(handle, "rb") as file:
                self._check_plain(given, handle)
                data = file.read(MAX_FILE + 1)
        except OSError as error:
            raise ToolError(f"`{given}`: {error.strerror or error}") from error
        if len(data) > MAX_FILE:
            raise ToolError(f"`{given}` is larger than {MAX_FILE // 1_000_000} MB; search in it")
        return data

    def _check_plain(self, given: object, handle: int) -> None:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise ToolError(f"`{given}` isn't a file")

    def _decoded(self, given: object, data: bytes) -> str:
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise ToolError(f"`{given}` isn't text in UTF-8") from error
