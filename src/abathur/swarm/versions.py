"""Which version of an agent's program runs, for programs that don't say so themselves."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Final

from abathur.domain.errors import AbathurError
from abathur.domain.runs import Command, EventKind, RunEvent
from abathur.ports.processes import Launch
from abathur.swarm.parts import RUN_TAG, WORKER_TAG, Parts
from abathur.swarm.state import State

SILENT_ABOUT_IT: Final = frozenset({"agy", "codex", "gemini", "opencode"})
SECONDS: Final = 20.0
_NUMBER: Final = re.compile(r"\d+(?:\.\d+)+[\w.+-]*")


async def version_event(
    parts: Parts, state: State, runtime: str, command: Command, folder: Path
) -> RunEvent | None:
    """Asks each program once in a swarm's life. Never raises: None where it isn't to be had."""
    program = command.argv[0]
    if runtime not in SILENT_ABOUT_IT:
        return None
    asked = state.versions.get(program)
    if asked is None:
        asked = state.versions[program] = asyncio.create_task(
            _asked(parts, state.worker_id, command, folder)
        )
    version = await asyncio.shield(asked)
    if version is None:
        return None
    return RunEvent(EventKind.WATCH, f"{runtime} {version}", {"version": version})


async def _asked(parts: Parts, worker_id: str, command: Command, folder: Path) -> str | None:
    lines: list[str] = []
    launch = Launch(
        command=Command(
            argv=(command.argv[0], "--version"), env=command.env, pass_env=command.pass_env
        ),
        cwd=folder,
        transcript=folder / "version",
        # Of its own run: with the worker's alone, its end would be that of all its agents.
        tags={WORKER_TAG: worker_id, RUN_TAG: f"version/{folder.parent.name}"},
        env={},
        timeout_seconds=SECONDS,
        grace_seconds=0.5,
    )
    try:
        end = await parts.processes.run(
            launch, on_started=lambda _: None, on_line=lines.append, stop=asyncio.Event()
        )
    except AbathurError:
        return None
    found = _NUMBER.search(" ".join(lines[:3])) if end.code == 0 else None
    return found[0] if found else None
