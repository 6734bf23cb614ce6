"""The configuration files of clients: our entry put in, everything else left as it is."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from abathur.domain.errors import ConfigError, InvalidInputError
from abathur.infrastructure import json_edit
from abathur.ports.clients import Edit

NAME: Final = "abathur"


@dataclass(frozen=True, slots=True)
class Client:
    """Where a client's configuration is, and which section of it names the servers."""

    file: str
    section: str
    is_users: bool = False
    """Of the person and not of the project."""


CLIENTS: Final[Mapping[str, Client]] = {
    "claude": Client(".mcp.json", "mcpServers"),
    "codex": Client(".codex/config.toml", "mcp_servers", is_users=True),
    "gemini": Client(".gemini/settings.json", "mcpServers"),
    "vscode": Client(".vscode/mcp.json", "servers"),
    "cursor": Client(".cursor/mcp.json", "mcpServers"),
}


def edit(client: str, root: Path, only: str | None) -> Edit:
    """Raises `ConfigError` when the file can't be understood, `InvalidInputError`."""
    known = CLIENTS.get(client)
    if known is None:
        raise InvalidInputError(f"client: `{client}` is none of {', '.join(CLIENTS)}")
    file = _file(known, root)
    before = file.read_text(encoding="utf-8") if file.is_file() else ""
    args = ["mcp", "serve", *(["--only", only] if only else [])]
    if known.is_users:
        args = ["--project", str(root), *args]
    command, *first = _program()
    entry = {"command": command, "args": [*first, *args]}
    if file.suffix == ".toml":
        return Edit(file=file, before=before, after=_toml(before, known.section, entry))
    if client == "vscode":
        entry = {"type": "stdio", **entry}
    return Edit(file=file, before=before, after=_json(file, before, known.section, entry))


def save(change: Edit) -> None:
    """Whole or not at all. Raises `OSError`."""
    file = change.file.resolve()
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    draft.write_text(change.after, encoding="utf-8")
    if file.exists():
        shutil.copymode(file, draft)
    draft.replace(file)


def _file(client: Client, root: Path) -> Path:
    if not client.is_users:
        return root / client.file
    home = os.environ.get("CODEX_HOME")
    return Path(home) / "config.toml" if home else Path.home() / client.file


def _program() -> list[str]:
    return [NAME] if shutil.which(NAME) else [sys.executable, "-m", NAME]


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
    if servers.get(NAME) == entry:
        return before
    return json_edit.with_member(text, section, NAME, entry)


def _toml(before: str, section: str, entry: Mapping[str, Any]) -> str:
    """The table of our entry replaced or added at the end; no other line is touched."""
    head = f"[{section}.{NAME}]"
    # A JSON text, or list of texts, is one of TOML too.
    lines = [head, *(f"{key} = {json.dumps(value)}" for key, value in entry.items())]
    text = "\n".join(lines) + "\n"
    table = re.compile(rf"^{re.escape(head)}[^\n]*\n(?:(?!\[)[^\n]*\n?)*", re.MULTILINE)
    if table.search(before):
        found = table.search(before)
        rest_is_blank = found is not None and before[found.end() :].strip() == ""
        return table.sub(lambda _: text if rest_is_blank else f"{text}\n", before, count=1)
    gap = "" if not before else "\n" if before.endswith("\n") else "\n\n"
    return f"{before}{gap}{text}"
