"""What Claude Code was denied, and the rules that would allow it.

A rule is a tool, or a tool with what it is used for in brackets: `Bash(make test)` allows exactly
that command, `WebFetch(domain:example.org)` one host. Where a narrow rule can't be trusted to be
read as it was meant, it is the tool.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from abathur.domain.runs import Denial

EDITING_TOOLS: Final = frozenset({"Edit", "MultiEdit", "NotebookEdit", "Write"})
_PLAIN_COMMAND: Final = re.compile(r"[\w ./:=@%+-]{1,200}")
"""No comma or bracket, which end a rule; nothing by which a shell does more than one thing."""


def denied(final: Mapping[str, Any]) -> tuple[Denial, ...]:
    """Each thing once, from the data of the program's last word."""
    found: dict[str, Denial] = {}
    for item in final.get("denied") or ():
        tool, given = str(item.get("tool") or ""), item.get("input")
        wanted = given if isinstance(given, Mapping) else {}
        rule = _rule(tool, wanted)
        found.setdefault(rule, Denial(tool=tool, input=wanted, rule=rule))
    return tuple(found.values())


def of_edits(final: Mapping[str, Any]) -> tuple[Denial, ...]:
    """All of it if an edit was among it, else nothing: an agent may do without the rest."""
    found = denied(final)
    return found if any(one.tool in EDITING_TOOLS for one in found) else ()


def _rule(tool: str, given: Mapping[str, Any]) -> str:
    command, url = given.get("command"), given.get("url")
    if tool == "Bash" and isinstance(command, str) and _PLAIN_COMMAND.fullmatch(command):
        return f"Bash({command})"
    if tool == "WebFetch" and isinstance(url, str) and (host := _host(url)):
        return f"WebFetch(domain:{host})"
    return tool


def _host(url: str) -> str | None:
    try:
        host = urlsplit(url).hostname
    except ValueError:
        return None
    return host if host and re.fullmatch(r"[a-z0-9.-]+", host) else None
