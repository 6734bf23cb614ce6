"""Names of models that mean something for every runtime, and what each runtime makes of them.

A definition may say `fast` and be run by any program. What isn't in the table goes to the runtime
as it stands. `models:` of the configuration adds to it and wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

Aliases = Mapping[str, Mapping[str, str]]
"""Alias -> runtime -> the name that the runtime's program takes."""

OTHERWISE: Final = "*"
"""Stands for every runtime that isn't named."""


def _of_claude(name: str) -> Mapping[str, str]:
    full = f"claude-{name}-5-5"
    return {"claude": name, "anthropic": full, "opencode": f"anthropic/{full}"}


_ELSEWHERE: Final = dict.fromkeys(("agy", "codex", "gemini", "openai"), "")
"""Programs of other vendors, which have no model of that name: the choice is theirs."""

ALIASES: Final[Aliases] = {
    "inherit": {OTHERWISE: ""},
    "default": {OTHERWISE: ""},
    "fast": {**_of_claude("haiku"), OTHERWISE: ""},
    "balanced": {**_of_claude("sonnet"), OTHERWISE: ""},
    "strong": {**_of_claude("opus"), OTHERWISE: ""},
    "thinking": {**_of_claude("opus"), OTHERWISE: ""},
    "haiku": {**_of_claude("haiku"), **_ELSEWHERE},
    "sonnet": {**_of_claude("sonnet"), **_ELSEWHERE},
    "opus": {**_of_claude("opus"), **_ELSEWHERE},
}
"""An empty name leaves the choice to the runtime's program."""


def resolved(model: str | None, runtime: str, own: Aliases) -> str | None:
    """What to ask the runtime for; None leaves it to its program."""
    if model is None:
        return None
    for table in (own, ALIASES):
        row = table.get(model, {})
        for name in (runtime, OTHERWISE):
            if name in row:
                return row[name] or None
    return model
