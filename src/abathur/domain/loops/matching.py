"""Regular expressions from outside, which may take for ever to find nothing.

By `regex`, since the standard library's can't be interrupted. Loaded when there is one to look at.
"""

from __future__ import annotations

from typing import Final

MAX_SECONDS: Final = 1.0
"""For one search. A swarm does nothing else meanwhile."""


def groups_of(pattern: str) -> int:
    """Raises `ValueError` where it is no regular expression."""
    import regex

    try:
        return int(regex.compile(pattern, cache_pattern=False).groups)
    except (regex.error, OverflowError, RecursionError) as error:
        raise ValueError(str(error)) from error


def last_match(pattern: str, text: str) -> str | None:
    """The first group of the last match. Raises `TimeoutError`, and `ValueError` as `groups_of`."""
    import regex

    last = None
    try:
        for match in regex.finditer(pattern, text, timeout=MAX_SECONDS):
            last = match.group(1)
    except regex.error as error:
        raise ValueError(str(error)) from error
    return last
