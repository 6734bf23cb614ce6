"""Durations and times as people type them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from abathur.domain.errors import InvalidInputError

SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_PART: Final = re.compile(r"(\d{1,9})([smhdw])", re.ASCII)
_DURATION: Final = re.compile(rf"({_PART.pattern}\s*)+", re.ASCII)


def parse_duration(text: str, name: str) -> int:
    """Seconds: `90`, `90s`, `10m`, `1h30m`, `2d`, `1w`. Raises `InvalidInputError`."""
    compact = text.strip().lower()
    if compact.isascii() and compact.isdigit() and len(compact) < 10:
        return int(compact)
    if not _DURATION.fullmatch(compact):
        raise InvalidInputError(
            f"{name}: `{text}` isn't a duration; write seconds (90) or use units (10m, 1h30m, 2d)"
        )
    return sum(int(count) * SECONDS[unit] for count, unit in _PART.findall(compact))


def parse_time(text: str, name: str, now: datetime) -> datetime:
    """A time in UTC: ISO 8601 with its zone, or `+2h` from now. Raises `InvalidInputError`."""
    try:
        if text.strip().startswith("+"):
            return now + timedelta(seconds=parse_duration(text.strip()[1:], name))
        time = datetime.fromisoformat(text.strip())
        return _in_utc(time, text, name)
    except (ValueError, OverflowError) as error:
        raise InvalidInputError(
            f"{name}: `{text}` isn't a time; write it like 2030-01-31T18:00:00Z, or +2h from now"
        ) from error


def _in_utc(time: datetime, text: str, name: str) -> datetime:
    if time.tzinfo is None:
        raise InvalidInputError(
            f"{name}: `{text}` has no time zone; write it like 2030-01-31T18:00:00Z, "
            "2030-01-31T18:00:00+01:00, or +2h from now"
        )
    return time.astimezone(UTC)
