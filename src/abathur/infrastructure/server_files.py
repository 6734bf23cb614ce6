"""The files of a project's servers: the key of their tokens, and where one is to be found."""

from __future__ import annotations

import json
import os
import secrets
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from abathur.domain.errors import RefusedError
from abathur.domain.tokens import KEY_BYTES

PRIVATE: Final = 0o600


def folder_of(project_folder: Path) -> Path:
    return project_folder / "mcp"


def read_key(project_folder: Path) -> bytes:
    """The project's key on this host, made when there is none. Raises `OSError`, `RefusedError`."""
    folder = folder_of(project_folder)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = folder / "key"
    if not file.exists():
        _make_key(file)
    if file.stat().st_mode & 0o077:
        raise RefusedError(
            f"{file} can be read by others, so its tokens prove nothing; delete it, a new one is"
            " made then"
        )
    key = file.read_bytes()
    if len(key) != KEY_BYTES:
        raise RefusedError(f"{file} is damaged; delete it, a new one is made then")
    return key


def _make_key(file: Path) -> None:
    """Whole or not at all; of two that make one at the same moment, the first wins."""
    draft = file.with_name(f".key-{secrets.token_hex(8)}")
    with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE), "wb") as stream:
        stream.write(secrets.token_bytes(KEY_BYTES))
        stream.flush()
        os.fsync(stream.fileno())
    with suppress(FileExistsError):
        os.link(draft, file)
    draft.unlink()


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A server over HTTP that said where it is."""

    url: str
    pid: int
    pid_started_at: float
    started_at: str
    host: str
    """Which machine, and which boot of it."""
    worker: str | None = None
    """The supervisor that it serves; None for one that a person started."""


def announce(project_folder: Path, running: Running) -> Path:
    """Write down where the server is; the file that has to be removed when it ends."""
    folder = folder_of(project_folder)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = folder / f"server-{running.pid}.json"
    draft = file.with_suffix(".new")
    draft.write_text(json.dumps(asdict(running)), encoding="utf-8")
    draft.replace(file)
    return file


def announced(project_folder: Path) -> list[tuple[Path, Running]]:
    """Those that said so, the newest first; dead ones among them."""
    found = []
    for file in folder_of(project_folder).glob("server-*.json"):
        with suppress(OSError, ValueError, TypeError):
            found.append((file, Running(**json.loads(file.read_text(encoding="utf-8")))))
    return sorted(found, key=lambda one: one[1].started_at, reverse=True)
