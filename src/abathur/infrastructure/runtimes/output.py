"""Reading what agent programs print. Nothing here raises, whatever they print."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

MAX_TEXT: Final = 300
RESULT_KEY: Final = "execution_status"
"""Marks the object in which an agent reports its result."""

_ESCAPES: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)")
_UNSTORABLE: Final = re.compile(r"\\u[dD0]|[eE]\+?\d{3}")
_LONE_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
_NUL: Final = re.compile(r"((?<!\\)(?:\\\\)*)\\u0000")
_DECODER: Final = json.JSONDecoder(parse_constant=lambda _name: None)
_MAX_BRACES: Final = 50
"""How many opening braces before the mark are tried as the start of the object."""


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


def decoded(text: str, start: int = 0) -> tuple[dict[str, Any], int] | None:
    """The JSON object at that place and where it ends; None when there is none."""
    try:
        value, end = _DECODER.raw_decode(text, start)
        if not isinstance(value, dict):
            return None
        suspect = _UNSTORABLE.search(text, start)
        return (_storable(value) if suspect else value), end
    except (ValueError, RecursionError):
        return None


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


def structured(text: str) -> dict[str, Any] | None:
    """The last JSON object in the text that has the key `execution_status`, fenced or not."""
    mark = len(text)
    for _ in range(5):
        mark = text.rfind(f'"{RESULT_KEY}"', 0, mark)
        if mark < 0:
            break
        for start in _braces_before(text, mark):
            hit = decoded(text, start)
            if hit and hit[1] > mark and RESULT_KEY in hit[0]:
                return hit[0]
    return None


def _braces_before(text: str, mark: int) -> Iterator[int]:
    for _ in range(_MAX_BRACES):
        mark = text.rfind("{", 0, mark)
        if mark < 0:
            return
        yield mark


def _storable(value: dict[str, Any]) -> dict[str, Any]:
    """What JSON allows and no database takes is replaced: half a character, 0, 1e999."""
    plain = _LONE_SURROGATE.sub("\ufffd", json.dumps(value, ensure_ascii=False))
    clean: dict[str, Any] = _DECODER.decode(_NUL.sub("\\1\ufffd", plain))
    return clean
