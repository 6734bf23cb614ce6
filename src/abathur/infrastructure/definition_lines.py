"""Finding mistakes in definitions that are read all the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from abathur.domain.definition_keys import KEYS
from abathur.domain.specs import Locate

# Keys of the definition itself, and those that only mean something to a runtime or to others.
_KNOWN: Final = frozenset(
    {
        *(key.name for key in KEYS),
        *("name", "description", "model", "tools", "runtime", "settings", "system_prompt"),
        *("color", "limits", "silence", "specialization", "resource_limits"),
        *("program", "args", "argv", "env", "pass_env", "prompt", "private_home", "script"),
        *("allowed_tools", "permission_mode", "permissionMode", "max_budget_usd", "mcp_config"),
        *("skills", "hooks", "memory", "background", "isolation", "initialPrompt", "candidates"),
    }
)


def likely_slips(extras: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Keys that nobody knows and that look like one that we do, with that one."""
    ours = [*(key.name for key in KEYS), "tools", "model", "runtime", "limits", "system_prompt"]
    for key in extras:
        if key in _KNOWN:
            continue
        if close := get_close_matches(key, ours, 1, 0.8):
            yield key, close[0]


def line_of_key(file: Path, shown: str) -> Locate:
    try:
        lines = file.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except OSError:
        lines = []

    def locate(key: str) -> str:
        at = (n for n, line in enumerate(lines, 1) if line.lstrip().startswith(f"{key}:"))
        return f"{shown}:{next(at, 1)}"

    return locate
