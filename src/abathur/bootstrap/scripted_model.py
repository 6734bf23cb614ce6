"""The scripted model for the front doors: a server from a file."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from abathur.infrastructure.model_server.player import Recorded
from abathur.infrastructure.model_server.script import (
    Conversation,
    Ending,
    Match,
    Meeting,
    Script,
    ToolCall,
    Turn,
)
from abathur.infrastructure.model_server.script_file import load_script
from abathur.infrastructure.model_server.server import ModelServer

__all__ = [
    "Conversation",
    "Ending",
    "Match",
    "Meeting",
    "ModelServer",
    "Recorded",
    "Script",
    "ToolCall",
    "Turn",
    "serve",
]


@contextmanager
def serve(
    script: Path,
    *,
    port: int = 0,
    record: Path | None = None,
    told: Callable[[Recorded], None] = lambda _request: None,
) -> Iterator[ModelServer]:
    """Raises `PlanError` for a script with mistakes, `OSError` for a port or file not to be had."""
    played = load_script(script)
    writer = _Writer(record) if record else None

    def on_request(request: Recorded) -> None:
        if writer:
            writer.write(request)
        told(request)

    try:
        with ModelServer(played, port, on_request) as server:
            yield server
    finally:
        if writer:
            writer.close()


class _Writer:
    """Whole lines, also when requests come at once. Readable by its owner alone: prompts are."""

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._lock = threading.Lock()

    def write(self, request: Recorded) -> None:
        told = {
            "path": request.path,
            "api": request.asked.api,
            "model": request.asked.model,
            "session": request.asked.session,
            "conversation": request.conversation,
            "turn": request.turn,
            "status": request.answer.status,
            "headers": request.headers,
            "body": request.body,
        }
        with self._lock, os.fdopen(os.dup(self._handle), "ab") as file:
            file.write(json.dumps(told).encode() + b"\n")

    def close(self) -> None:
        os.close(self._handle)
