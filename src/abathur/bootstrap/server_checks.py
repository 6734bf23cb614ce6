"""Asking a server of tools whether it answers, as a client would."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from abathur.domain.runs import McpServer

SECONDS: Final = 10.0
GRACE_SECONDS: Final = 1.0
TAG: Final = "ABATHUR_SERVER_CHECK"
GREETING: Final = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "abathur", "version": "1"},
    },
}
"""Of a version that every server still understands."""


async def program_state(root: Path, server: McpServer) -> str:
    """`missing`, `found` where nobody has agreed to start it, else `answers` or `silent`."""
    from abathur.safeguards import trust_problem

    program = server.command[0]
    if shutil.which(program if "/" not in program else str(root / program)) is None:
        return "missing"
    if trust_problem(root):
        return "found"
    return "answers" if await _greets(root, server) else "silent"


async def _greets(root: Path, server: McpServer) -> bool:
    """Start it, and end it as soon as it has answered, or hasn't for too long."""
    from abathur.bootstrap import new_id
    from abathur.domain.errors import ProcessError
    from abathur.domain.runs import Command
    from abathur.infrastructure.processes import SystemProcesses
    from abathur.ports.processes import Launch

    has_answered = asyncio.Event()

    def heard(line: str) -> None:
        if _is_answer(line):
            has_answered.set()

    greeting = json.dumps(GREETING).encode() + b"\n"
    with tempfile.TemporaryDirectory() as folder:
        launch = Launch(
            command=Command(argv=server.command, env=server.env, stdin=greeting),
            cwd=root,
            transcript=Path(folder, "said"),
            tags={TAG: new_id()},
            env={},
            timeout_seconds=SECONDS,
            grace_seconds=GRACE_SECONDS,
        )
        try:
            await SystemProcesses().run(
                launch, on_started=lambda _: None, on_line=heard, stop=has_answered
            )
        except (ProcessError, OSError):
            return False
    return has_answered.is_set()


def _is_answer(line: str) -> bool:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return False
    is_ours = isinstance(message, dict) and message.get("id") == GREETING["id"]
    return is_ours and "result" in message
