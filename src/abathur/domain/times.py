"""Durations and times as people write them: on the command line, in plans and in settings."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from abathur.domain.errors import InvalidInputError

UNITS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
AGES: Final = {
    "h": 3_600,
    "d": 86_400,
    "w": 604_800,
    "m": 2_592_000,
    "mo": 2_592_000,
    "y": 31_536_000,
}
_AGE: Final = re.compile(r"(\d{1,4})\s*(h|d|w|mo|m|y)", re.ASCII)
_NUMBER: Final = r"\d{1,12}(?:\.\d{1,9})?"
_PART: Final = re.compile(rf"({_NUMBER})\s*(ms|[smhdw])\s*", re.ASCII)
_PARTS: Final = re.compile(rf"(?:{_PART.pattern})+", re.ASCII)
_PLAIN: Final = re.compile(_NUMBER, re.ASCII)


def seconds(text: str) -> float | None:
    """`90`, `90s`, `1.5h`, `250ms`, `1h 30m`, `2d`, `1w`; None when it is no duration."""
    compact = text.strip().lower()
    if _PLAIN.fullmatch(compact):
        return float(compact)
    if not _PARTS.fullmatch(compact):
        return None
    # Rounded, or 1.1m would be more than 66 seconds.
    return round(sum(float(count) * UNITS[unit] for count, unit in _PART.findall(compact)), 6)


def whole_seconds(text: str) -> int | None:
    """The same for what is counted in seconds; None also when a fraction is left over."""
    found = seconds(text)
    return int(found) if found is not None and found.is_integer() else None


def moment(text: str, now: datetime) -> datetime:
    """ISO 8601 or `+2h` from now. In UTC, unless no zone is given: then it has none.

    Raises `ValueError` when it is no time, `OverflowError` when it is none of this calendar.
    """
    compact = text.strip()
    if compact.startswith("+"):
        distance = whole_seconds(compact[1:])
        if distance is None:
            raise ValueError(f"{text!r} has no duration after the plus")
        return now + timedelta(seconds=distance)
    time = datetime.fromisoformat(compact)
    return time.astimezone(UTC) if time.tzinfo else time


def parse_duration(text: str, name: str) -> int:
    """Whole seconds of the duration called `name`. Raises `InvalidInputError`."""
    found = whole_seconds(text)
    if found is None:
        raise InvalidInputError(
            f"{name}: `{text}` isn't a duration; write seconds (90) or use units (10m, 1h30m, 2d)"
        )
    return found


def parse_age(text: str, name: str) -> int:
    """As `parse_duration`, also with months (`6mo`, or `6m`) and years: 30 and 365 days.

    A minute is no age that anybody asks for, so `m` alone means months here.
    """
    match = _AGE.fullmatch(text.strip().lower())
    if match is None or int(match[1]) == 0:
        raise InvalidInputError(
            f"{name}: `{text}` isn't an age; write it like 12h, 30d, 2w, 6mo or 1y"
        )
    return int(match[1]) * AGES[match[2]]


def parse_time(text: str, name: str, now: datetime) -> datetime:
    """The time called `name`, in UTC; one without a zone is refused. Raises `InvalidInputError`."""
    if text.strip().startswith("+"):
        parse_duration(text.strip()[1:], name)
    try:
        time = moment(text, now)
    except (ValueError, OverflowError) as error:
        raise InvalidInputError(
            f"{name}: `{text}` isn't a time; write it like 2030-01-31T18:00:00Z, or +2h from now"
        ) from error
    if time.tzinfo is None:
        raise InvalidInputError(
            f"{name}: `{text}` has no time zone; write it like 2030-01-31T18:00:00Z, "
            "2030-01-31T18:00:00+01:00, or +2h from now"
        )
    return time


def parse_past(text: str, name: str, now: datetime) -> datetime:
    """A time that has been, in UTC: `now`, `2h ago`, or as `parse_time` takes it.

    Raises `InvalidInputError`.
    """
    compact = text.strip().lower()
    if compact == "now":
        return now
    time = _ago(compact, now) if compact.endswith("ago") else parse_time(text, name, now)
    if time is None or time > now:
        raise InvalidInputError(
            f"{name}: `{text}` is no time that has been; write it like 2030-01-31T18:00:00Z, "
            "or `2h ago`"
        )
    return time


def _ago(text: str, now: datetime) -> datetime | None:
    distance = seconds(text.removesuffix("ago"))
    try:
        return None if distance is None else now - timedelta(seconds=distance)
    except OverflowError:
        return None
