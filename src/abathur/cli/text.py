"""Text fit for a terminal: harmless, measured in columns, cut, and ages in few characters."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from abathur.domain.wording import SHORT_ID, clock, short

__all__ = ["SHORT_ID", "short"]

ELLIPSIS: Final = "…"
TAB: Final = "    "
REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"

_INVISIBLE: Final = frozenset({"Cf"})
_DANGEROUS: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
_VARIATION_SELECTORS: Final = frozenset(map(chr, range(0xFE00, 0xFE10)))

_UNITS: Final[Mapping[str, int]] = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}


def clean(text: str) -> str:
    """One line without anything that could steer a terminal; what was dangerous stays visible.

    Tabs and newlines become spaces. Invisible format characters go away: they could reorder the
    line (bidirectional overrides) and their width depends on the terminal.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_clean_character, text))


def clean_block(text: str) -> list[str]:
    """The same for a text of many lines; indentation is kept."""
    return [clean(line.replace("\t", TAB).rstrip("\r")) for line in text.split("\n")]


def _clean_character(character: str) -> str:
    if character in "\t\r\n":
        return " "
    category = unicodedata.category(character)
    if category in _DANGEROUS:
        return REPLACEMENT
    if category in _INVISIBLE or character in _VARIATION_SELECTORS:
        return ""
    return character


def columns(text: str) -> int:
    """How many columns of a terminal the text takes."""
    return len(text) if text.isascii() else sum(map(_character_columns, text))


def _character_columns(character: str) -> int:
    if unicodedata.category(character) in {"Mn", "Me"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cut(text: str, width: int, ellipsis: str = ELLIPSIS) -> str:
    """The text if it fits, else its beginning with an ellipsis; never wider than `width`."""
    if columns(text) <= width:
        return text
    room = width - columns(ellipsis)
    kept, used = [], 0
    for character in text:
        used += _character_columns(character)
        if used > room:
            break
        kept.append(character)
    return "".join(kept) + ellipsis if room >= 0 else ""


def pad(text: str, width: int, *, right: bool = False) -> str:
    gap = " " * max(0, width - columns(text))
    return gap + text if right else text + gap


def age(then: datetime | None, now: datetime) -> str:
    """How long ago, in the biggest unit that fits: `3m`, `2h`, `12d`."""
    if then is None:
        return "-"
    seconds = max(0, int((now - then).total_seconds()))
    unit, length = next(((u, n) for u, n in _UNITS.items() if seconds >= n), ("s", 1))
    return f"{seconds // length}{unit}"


def length(seconds: float | None) -> str:
    """A duration in at most two units: `45s`, `1h 30m`."""
    if seconds is None:
        return "-"
    parts: list[str] = []
    left = int(seconds)
    for unit, size in _UNITS.items():
        if left >= size and len(parts) < 2:
            parts.append(f"{left // size}{unit}")
            left %= size
    return " ".join(parts) or "0s"


def iso(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def local(time: datetime) -> str:
    """For a person: in the zone of the machine, to the second."""
    return clock(time, time.astimezone().tzinfo)


def waiting(tasks: int, due: datetime) -> str:
    """About tasks that nothing holds but the time."""
    if tasks == 1:
        return f"1 task waits for its time, {local(due)}"
    return f"{tasks} tasks wait for their time, the first until {local(due)}"


def waiting_for_review(reviews: int) -> str:
    return "1 task waits for a review" if reviews == 1 else f"{reviews} tasks wait for a review"


def elapsed(since: datetime, now: datetime) -> str:
    """`MM:SS`, or `H:MM:SS` from an hour on."""
    seconds = max(0, int((now - since).total_seconds()))
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes:02}:{rest:02}"
