"""Reading what agent programs print. Nothing here raises, whatever they print."""

from __future__ import annotations

import re
from typing import Any, Final

from abathur.domain.result_text import decoded, structured

__all__ = ["decoded", "last_line", "objects", "one_line", "structured"]

MAX_TEXT: Final = 300

_ESCAPES: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)")


def one_line(text: str, limit: int = MAX_TEXT) -> str:
    """Fit for a terminal and a table: one line without control characters, cut with an ellipsis."""
    # Only the head is looked at: lines can be megabytes.
    plain = " ".join(_ESCAPES.sub("", text[: limit * 10]).split())
    clean = "".join(char for char in plain if char.isprintable())
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def last_line(*texts: str) -> str:
    """The last line that isn't blank, of the first text that has one."""
    for text in texts:
        for line in reversed(text.splitlines()):
            if found := one_line(line):
                return found
    return ""


def line_at(text: str, position: int) -> str:
    """The line that the position is in."""
    start = text.rfind("\n", 0, position) + 1
    return one_line(text[start:].partition("\n")[0])


def objects(line: str) -> tuple[list[dict[str, Any]], str]:
    """The JSON objects at the start of the line, and what is left of it.

    More than one happens when two writers share a pipe.
    """
    found: list[dict[str, Any]] = []
    rest = line.strip()
    while rest.startswith("{") and (hit := decoded(rest)):
        found.append(hit[0])
        rest = rest[hit[1] :].lstrip()
    return found, rest
