"""When schedules are due."""

from __future__ import annotations

from datetime import datetime


def next_time(cron: str, time_zone: str, after: datetime) -> datetime:
    """Meets `domain.schedules.Timetable`. Raises `InvalidInputError`."""
    from abathur.infrastructure.timetable import next_time as find

    return find(cron, time_zone, after)


def next_times(cron: str, time_zone: str, after: datetime, count: int) -> list[datetime]:
    """Fewer when there are no more. Raises `InvalidInputError`."""
    times: list[datetime] = []
    for _ in range(count):
        after = next_time(cron, time_zone, after)
        times.append(after)
    return times


def local_zone() -> str:
    """The zone of this machine by its name; UTC when it has none that can be used."""
    from abathur.infrastructure.timetable import local_zone as find

    return find()
