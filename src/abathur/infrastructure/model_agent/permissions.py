"""Which tools the model has, and which commands it may run with them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final

from abathur.infrastructure.model_agent.tools import OWN_NAMES

_RULE: Final = re.compile(r"([^(]+)(?:\((.*)\))?", re.DOTALL)
_JOINING: Final = re.compile(r"[;&|<>`\n]|\$\(")
"""What makes one command several, or redirects it; a rule speaks of one."""


class Permissions:
    """By rules like `Read`, `Bash(git log *)`, `mcp__queue` and `mcp__queue__claim`."""

    def __init__(
        self, tools: Sequence[str], denied: Sequence[str], allowed: Sequence[str] = ()
    ) -> None:
        named = [] if "*" in tools else list(tools)
        self._tools = _parted([*(named or OWN_NAMES), *allowed])
        self._takes_all_servers = not named
        self._denied = _parted(denied)

    def has(self, name: str) -> bool:
        """Whether the model is told of the tool at all."""
        if any(pattern is None and _names(rule, name) for rule, pattern in self._denied):
            return False
        if self._takes_all_servers and name.startswith("mcp__"):
            return True
        return any(_names(rule, name) for rule, _ in self._tools)

    def refusal(self, name: str, arguments: Any) -> str | None:
        """Why this use isn't allowed; None when it is."""
        command = arguments.get("command") if name == "Bash" else None
        if not isinstance(command, str):
            return None
        for _, pattern in (rule for rule in self._denied if rule[0] == name):
            if pattern is None or _is_denied(pattern, command):
                return f"`{name}({pattern})` is denied"
        patterns = [pattern for rule, pattern in self._tools if rule == name]
        if None in patterns or any(_is_allowed(p, command) for p in patterns if p is not None):
            return None
        shown = ", ".join(f"{name}({pattern})" for pattern in patterns)
        return f"only these commands are allowed, one at a time: {shown}"


def _parted(rules: Iterable[str]) -> list[tuple[str, str | None]]:
    found = [match for rule in rules if (match := _RULE.fullmatch(rule.strip()))]
    return [(match[1].strip(), match[2]) for match in found]


def _names(rule: str, name: str) -> bool:
    return rule == name or (rule.startswith("mcp__") and name.startswith(f"{rule}__"))


def _is_allowed(pattern: str, command: str) -> bool:
    plain = command.strip()
    if plain == pattern:
        return True
    return not _JOINING.search(plain) and fnmatchcase(plain, pattern.replace(":*", "*"))


def _is_denied(pattern: str, command: str) -> bool:
    """Also as a part of several commands. A shell can say everything in many ways: no wall."""
    parts = re.split(r"[;&|\n]+", command)
    return any(fnmatchcase(part.strip(), pattern.replace(":*", "*")) for part in parts)
