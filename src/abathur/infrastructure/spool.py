"""Reports as files of a folder: written aside, synced, renamed, so that each is whole or absent.

A file is one line with the SHA-256 of the rest, then JSON. What can't be read is renamed, never
removed: `NAME.corrupt`, `NAME.half-written`, `NAME.refused`.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any, Final

from abathur.domain.errors import SpoolError
from abathur.ports.spool import SpoolContent, SpooledFile, SpoolEntry

SUFFIX: Final = ".report"
PARTIAL: Final = ".partial"
LABELS: Final = (".corrupt", ".half-written", ".refused")
_CLAIM: Final = re.compile(
    r"([0-9a-f-]{36})\.(\d{1,9})\.(\d{1,18})"
    r"(?:\.report(?:\.(?:corrupt|refused)(?:-\d+)?)?|\.\d+\.partial\.half-written(?:-\d+)?)"
)
"""Whose report is in a file, whole or set aside. One that is being written isn't among them."""


class FolderSpool:
    """Meets `ports.spool.Spool`. The folder is made when the first entry is."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, name: str, content: dict[str, Any]) -> None:
        await asyncio.to_thread(self._put, name, content)

    async def read(self) -> SpoolContent:
        return await asyncio.to_thread(self._read)

    async def remove(self, name: str) -> None:
        await asyncio.to_thread(self._remove, name)

    async def set_aside(self, name: str, why: str) -> str:
        return await asyncio.to_thread(self._set_aside, self._path(name), ".refused", why)

    async def files(self) -> Sequence[SpooledFile]:
        return await asyncio.to_thread(self._files)

    async def discard(self, name: str) -> None:
        await asyncio.to_thread(self._unlink, name)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}{SUFFIX}"

    def _put(self, name: str, content: dict[str, Any]) -> None:
        body = json.dumps(content, default=str).encode()
        partial = self._folder / f"{name}.{os.getpid()}{PARTIAL}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            try:
                _write(partial, sha256(body).hexdigest().encode() + b"\n" + body)
                partial.rename(self._path(name))
            except OSError:
                partial.unlink(missing_ok=True)
                raise
            _sync(self._folder)
        except OSError as error:
            raise SpoolError(f"can't write the report into {self._folder}: {error}") from error

    def _read(self) -> SpoolContent:
        try:
            names = sorted(path.name for path in self._folder.iterdir())
        except FileNotFoundError:
            return SpoolContent(entries=(), set_aside=())
        except OSError as error:
            raise SpoolError(f"can't read the reports in {self._folder}: {error}") from error
        entries: list[SpoolEntry] = []
        aside = list(self._torn(names))
        for name in names:
            if name.endswith(SUFFIX):
                try:
                    entries.append(self._entry(self._folder / name))
                except FileNotFoundError:
                    continue  # another supervisor has delivered it meanwhile
                except (OSError, ValueError) as error:
                    why = f"it can't be read ({error})"
                    aside.append(self._set_aside(self._folder / name, ".corrupt", why))
        return SpoolContent(entries=entries, set_aside=aside)

    def _entry(self, path: Path) -> SpoolEntry:
        digest, _, body = path.read_bytes().partition(b"\n")
        if digest != sha256(body).hexdigest().encode():
            raise ValueError("its digest is another one")
        content = json.loads(body)
        if not isinstance(content, dict):
            raise ValueError("it is no JSON object")
        return SpoolEntry(name=path.name.removesuffix(SUFFIX), content=content)

    def _torn(self, names: list[str]) -> Iterator[str]:
        """Files whose writer died while it wrote them."""
        for name in names:
            if name.endswith(PARTIAL) and not _is_running(name):
                path = self._folder / name
                yield self._set_aside(path, ".half-written", "its writer died while writing it")

    def _set_aside(self, path: Path, label: str, why: str) -> str:
        for number in count(1):
            kept = path.with_name(f"{path.name}{label}{'' if number == 1 else f'-{number}'}")
            if not os.path.lexists(kept):
                break
        try:
            path.rename(kept)
        except OSError as error:
            return f"the report {path} isn't applied: {why}; it can't be renamed: {error}"
        return f"a report is set aside as {kept}: {why}"

    def _files(self) -> list[SpooledFile]:
        try:
            names = sorted(path.name for path in self._folder.iterdir())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise SpoolError(f"can't read the reports in {self._folder}: {error}") from error
        found = []
        for name in names:
            if claim := _CLAIM.fullmatch(name):
                with suppress(OSError):  # it has gone meanwhile
                    size = (self._folder / name).lstat().st_size
                    task_id, attempt, fence = claim[1], int(claim[2]), int(claim[3])
                    found.append(
                        SpooledFile(
                            name=name, task_id=task_id, attempt=attempt, fence=fence, bytes=size
                        )
                    )
        return found

    def _unlink(self, name: str) -> None:
        if not _CLAIM.fullmatch(name):
            raise SpoolError(f"`{name}` isn't a file of the spool")
        try:
            (self._folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise SpoolError(f"can't remove {self._folder / name}: {error}") from error

    def _remove(self, name: str) -> None:
        try:
            with suppress(FileNotFoundError):
                self._path(name).unlink()
        except OSError as error:
            raise SpoolError(f"can't remove {self._path(name)}: {error}") from error


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_running(partial: str) -> bool:
    """Whether some process has the pid of the writer. Another one's only puts this off."""
    pid = partial.removesuffix(PARTIAL).rpartition(".")[2]
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, ValueError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
