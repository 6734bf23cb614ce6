"""When cron texts are due, with the daylight saving of their time zones."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from itertools import dropwhile
from pathlib import Path
from typing import Final

from abathur.domain.errors import InvalidInputError

NICKNAMES: Final = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
FIELDS: Final = 5
LONGEST: Final = 200
LOCALTIME: Final = Path("/etc/localtime")
"""Names the zone of the machine by what it is a link to."""


def next_time(cron: str, time_zone: str, after: datetime) -> datetime:
    """Meets `domain.schedules.Timetable`.

    As with Debian's cron: a time of day that a clock put forward leaves out is due right after
    the gap, one that a clock put back repeats is due once, and what is due every hour or minute
    goes by real time.
    """
    # Where a clock was put back, the first of two equal times may lie before the moment.
    later = dropwhile(lambda time: time <= after, _times(cron, time_zone, after))
    found = next(later, None)
    if found is None:
        raise InvalidInputError(f"cron: `{cron}` is never due; check its day and month")
    return found


def _times(cron: str, time_zone: str, after: datetime) -> Iterator[datetime]:
    from cronsim import CronSim, CronSimError

    text = NICKNAMES.get(cron.strip().lower(), cron)
    if len(text) > LONGEST or len(text.split()) != FIELDS:
        raise InvalidInputError(
            f"cron: `{cron:.60}` isn't minute, hour, day, month and weekday, like `30 2 * * 1-5`"
        )
    zone = _zone(time_zone)
    try:
        times = CronSim(text, after.astimezone(zone))
    except CronSimError as error:
        raise InvalidInputError(
            f"cron: `{cron}` can't be read: {str(error).lower()}; write it like `30 2 * * 1-5`"
        ) from error
    for time in times:
        yield time.astimezone(UTC)


@lru_cache(maxsize=32)
def _zone(name: str) -> tzinfo:
    """A zone of the machine's, or of the package `tzdata`; UTC is always known."""
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise InvalidInputError(
            f"time-zone: `{name:.60}` isn't known on this machine; use a name like `Europe/Berlin`"
        ) from error


def local_zone() -> str:
    """The zone of this machine by its name; UTC when it has none that can be used."""
    named = os.environ.get("TZ", "").lstrip(":")
    link = LOCALTIME.resolve().parts
    if not named and "zoneinfo" in link:
        named = "/".join(link[link.index("zoneinfo") + 1 :])
    try:
        _zone(named)
    except InvalidInputError:
        return "UTC"
    return named
