"""Finding the result in an agent's last words. Nothing here raises, whatever they are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final

from abathur.domain.results import STATUS_KEY

MAX_FENCES: Final = 20
_MAX_BRACES: Final = 50
"""How many opening braces before the mark are tried as the start of the object."""
_MAX_MARKS: Final = 5

_UNSTORABLE: Final = re.compile(r"\\u[dD0]|[eE]\+?\d{3}")
_LONE_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
_NUL: Final = re.compile(r"((?<!\\)(?:\\\\)*)\\u0000")
_DECODER: Final = json.JSONDecoder(parse_constant=lambda _name: None)
_FENCE: Final = re.compile(r"^[ \t]*(`{3,}|~{3,})[ \t]*(\w*)[^\n]*$", re.MULTILINE)
_TRAILING_COMMA: Final = re.compile(r",(\s*[}\]])")


def result_in(text: str, *, any_object: bool = False) -> dict[str, Any] | None:
    """The last JSON object with the key `execution_status`, fenced or not.

    With `any_object` a fenced object, or a text that is nothing but one, is taken without that key.
    """
    if found := structured(text):
        return found
    blocks = [block for block in _fenced(text) if block.lstrip().startswith("{")]
    for block in reversed(blocks):
        # Commas before a closing brace are the most common slip of models.
        for candidate in (block, _TRAILING_COMMA.sub(r"\1", block)):
            hit = decoded(candidate.strip())
            if hit and (any_object or STATUS_KEY in hit[0]):
                return hit[0]
    whole = text.strip()
    hit = decoded(whole) if any_object and whole.startswith("{") else None
    return hit[0] if hit and hit[1] == len(whole) else None


def structured(text: str) -> dict[str, Any] | None:
    """The last JSON object in the text that has the key `execution_status`."""
    mark = len(text)
    for _ in range(_MAX_MARKS):
        mark = text.rfind(f'"{STATUS_KEY}"', 0, mark)
        if mark < 0:
            break
        for start in _braces_before(text, mark):
            hit = decoded(text, start)
            if hit and hit[1] > mark and STATUS_KEY in hit[0]:
                return hit[0]
    return None


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


def _fenced(text: str) -> Iterator[str]:
    """What stands between fences, the first ones first."""
    marks = list(_FENCE.finditer(text))[-2 * MAX_FENCES :]
    for begin, end in pairwise(marks):
        is_closed = end[1].startswith(begin[1]) and not end[2]
        if is_closed:
            yield text[begin.end() : end.start()]


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
