"""The configuration files of clients: our entry put in, everything else left as it is."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeGuard

from abathur.domain.errors import ConfigError, InvalidInputError
from abathur.infrastructure import json_edit, toml_edit
from abathur.ports.clients import Edit

NAME: Final = "abathur"


@dataclass(frozen=True, slots=True)
class Client:
    """Where a client's configuration of a project is, and which section of it names the servers."""

    file: str
    section: str


CLIENTS: Final[Mapping[str, Client]] = {
    "claude": Client(".mcp.json", "mcpServers"),
    "codex": Client(".codex/config.toml", "mcp_servers"),
    "gemini": Client(".gemini/settings.json", "mcpServers"),
    "vscode": Client(".vscode/mcp.json", "servers"),
    "cursor": Client(".cursor/mcp.json", "mcpServers"),
}


def edit(client: str, root: Path, only: str | None) -> Edit:
    """Raises `ConfigError` when the file can't be understood, `InvalidInputError`."""
    known = CLIENTS.get(client)
    if known is None:
        raise InvalidInputError(f"client: `{client}` is none of {', '.join(CLIENTS)}")
    file = root / known.file
    before = _text(file)
    args = ["mcp", "serve", *(["--only", only] if only else [])]
    command, *first = _program()
    entry: dict[str, Any] = {"command": command, "args": [*first, *args]}
    if client == "vscode":
        entry = {"type": "stdio", **entry}
    edited = _toml if file.suffix == ".toml" else _json
    # Whoever has set lines apart by two characters goes on to.
    is_dos = "\n" in before and before.count("\r\n") == before.count("\n")
    after = edited(file, before.replace("\r\n", "\n") if is_dos else before, known.section, entry)
    return Edit(file=file, before=before, after=after.replace("\n", "\r\n") if is_dos else after)


def save(change: Edit) -> None:
    """Whole or not at all. Raises `OSError`."""
    file = change.file.resolve()
    if file.exists() and not os.access(file, os.W_OK):
        raise PermissionError(f"{file} may not be written; allow it, or put the entry in by hand")
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    draft.write_bytes(change.after.encode())
    if file.exists():
        shutil.copymode(file, draft)
    draft.replace(file)


def _text(file: Path) -> str:
    """Empty when there is no such file. Raises `ConfigError`."""
    if not file.is_file():
        return ""
    try:
        return file.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: it isn't UTF-8 ({error.reason}); save it as that") from error


def _program() -> list[str]:
    # A client starts it in the project, whose modules are none of ours.
    return [NAME] if shutil.which(NAME) else [sys.executable, "-P", "-m", NAME]


def _json(file: Path, before: str, section: str, entry: Mapping[str, Any]) -> str:
    text = before.removeprefix("\ufeff")
    try:
        content = json_edit.parsed(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"{file}: it isn't JSON ({error}); put this in by hand, under `{section}`:"
            f" {json.dumps({NAME: entry})}"
        ) from error
    servers = content.get(section, {}) if isinstance(content, dict) else None
    if not isinstance(servers, dict):
        raise ConfigError(f"{file}: `{section}` isn't a section of servers; mend it first")
    there = servers.get(NAME)
    if not _is_program(there):
        return json_edit.with_value(text, (section, NAME), entry)
    for key, value in entry.items():
        if there.get(key) != value:
            text = json_edit.with_value(text, (section, NAME, key), value)
            before = text
    return before


def _toml(file: Path, before: str, section: str, our: Mapping[str, Any]) -> str:
    by_hand = f"put this in by hand, as table `{section}.{NAME}`: {_as_toml(our)}"
    try:
        content = tomllib.loads(before)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{file}: it isn't TOML ({error}); mend it, or {by_hand}") from error
    servers = content.get(section, {})
    there = servers.get(NAME, {"command": ""}) if isinstance(servers, dict) else None
    if _is_program(there):
        entry = {**there, **our}
        if entry == there:
            return before
        after = toml_edit.with_values(before, (section, NAME), our)
        with suppress(ValueError):
            if tomllib.loads(after) == {**content, section: {**servers, NAME: entry}}:
                return after
    raise ConfigError(f"{file}: it names its servers in a way that isn't edited; {by_hand}")


def _as_toml(entry: Mapping[str, Any]) -> str:
    return "; ".join(
        f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in entry.items()
    )


def _is_program(there: object) -> TypeGuard[dict[str, Any]]:
    """Whether an entry names a program: what else stands in it is its owner's."""
    return isinstance(there, dict) and "command" in there
