"""How values are put into sentences for a person."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from typing import Final

MAX_QUOTE: Final = 200
SHORT_ID: Final = 13
"""So much of an id tells apart what wasn't made within the same millisecond."""


def short(full_id: str) -> str:
    """As people see and type it."""
    return full_id[:SHORT_ID]


def span(length: timedelta) -> str:
    """A duration as people say it: `42 s`, `3 min`, `2 h 5 min`, `3 days`; rounded down."""
    seconds = max(0, int(length.total_seconds()))
    minutes, hours, days = seconds // 60, seconds // 3_600, seconds // 86_400
    if days >= 2:
        return f"{days} days"
    if hours:
        return f"{hours} h {minutes % 60} min" if minutes % 60 else f"{hours} h"
    return f"{minutes} min" if minutes else f"{seconds} s"


def span_of(seconds: float) -> str:
    return span(timedelta(seconds=seconds))


def clock(time: datetime, zone: tzinfo | None) -> str:
    """`2030-01-31 12:05:09 UTC`: in that zone, and with its name."""
    return f"{time.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}"


def quote(text: str | None) -> str:
    """The first line of what somebody else wrote, fit to end a sentence.

    Without control characters: an agent's words mustn't steer the terminal of who reads them.
    """
    lines = (text or "").strip().splitlines() or [""]
    plain = "".join(c if c.isprintable() else " " for c in lines[0])
    line = " ".join(plain.split()).rstrip(" .") or "no reason was given"
    return line if len(line) <= MAX_QUOTE else line[: MAX_QUOTE - 1] + "…"


def count(number: int, noun: str, nouns: str = "") -> str:
    """`1 task`, `2 tasks`."""
    return f"{number} {noun}" if number == 1 else f"{number} {nouns or f'{noun}s'}"


def size_text(count: int) -> str:
    """Bytes as people say them."""
    size, units = float(count), ["bytes", "kB", "MB", "GB"]
    while size >= 1000 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{size:.0f} {units[0]}" if units[0] == "bytes" else f"{size:.1f} {units[0]}"
