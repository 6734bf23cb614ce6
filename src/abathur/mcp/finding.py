"""Where a server of the project runs already, with the standard library alone."""

from __future__ import annotations

import json
import os
import urllib.parse
from contextlib import suppress
from pathlib import Path
from typing import Final

from abathur.mcp.wire import Wire

TOKEN: Final = "ABATHUR_MCP_TOKEN"
ANSWER_SECONDS: Final = 2.0
LOOPBACK: Final = ("127.0.0.1", "localhost", "::1", "0.0.0.0", "::")
"""Where servers of this host are. A file that came with a clone may name others."""


def find(start: Path) -> tuple[str, str] | None:
    """Address and token of a server of the project for this process; None when none runs."""
    url, token = os.environ.get("ABATHUR_MCP_URL"), os.environ.get(TOKEN)
    if url and token:
        return (url, token) if _answers(url) else None
    for place in (start, *start.parents):
        folder = place / ".abathur" / "mcp"
        if folder.is_dir():
            return _announced(folder, token)
    return None


def _announced(folder: Path, token: str | None) -> tuple[str, str] | None:
    for file in sorted(folder.glob("server-*.json"), key=lambda one: one.stat().st_mtime)[::-1]:
        with suppress(OSError, ValueError, KeyError):
            url = json.loads(file.read_text(encoding="utf-8"))["url"]
            found = token or _own_token(folder)
            is_here = urllib.parse.urlsplit(url).hostname in LOOPBACK
            if found is not None and is_here and _answers(url):
                return url, found
    return None


def _own_token(folder: Path) -> str | None:
    """A person's, as whoever may read the key is the person; never for an agent."""
    if os.environ.get("ABATHUR_TASK_ID") or os.environ.get("ABATHUR_WORKER"):
        return None
    from getpass import getuser

    from abathur.domain.delegation import Caller
    from abathur.domain.tokens import issued

    try:
        name = getuser()
    except (OSError, KeyError):
        name = "unknown"
    return issued((folder / "key").read_bytes(), Caller(name=name))


def _answers(url: str) -> bool:
    parts = urllib.parse.urlsplit(url)
    try:
        wire = Wire((parts.hostname or "", parts.port or 80), ANSWER_SECONDS)
    except OSError:
        return False
    try:
        asked = f"GET /health HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n"
        return wire.ask(asked.encode()).status == 200
    except OSError:
        return False
    finally:
        wire.close()
