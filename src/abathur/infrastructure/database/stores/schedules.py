"""Schedules, in the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from abathur.domain.records import made
from abathur.domain.schedules import MissedPolicy, OverlapPolicy, Schedule
from abathur.infrastructure.database.codecs import json_of, moment, time_of

if TYPE_CHECKING:
    from abathur.infrastructure.database.engines.base import Row, Session


def schedule_of(row: Row) -> Schedule:
    row["template"] = json_of(row["template"]) or {}
    row["missed"] = MissedPolicy(row["missed"])
    row["overlap"] = OverlapPolicy(row["overlap"])
    for name in ("next_at", "last_at", "paused_at"):
        row[name] = time_of(row[name])
    row["created_at"] = moment(row["created_at"])
    return made(Schedule, row)


class SqlSchedules:
    """Meets `ports.schedules.ScheduleStore`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def insert(self, schedule: Schedule) -> None:
        self._session.send("schedules_insert", **vars(schedule))

    def save(self, schedule: Schedule) -> None:
        self._session.send("schedules_save", **vars(schedule))

    def get(self, schedule_id: str) -> Schedule | None:
        row = self._session.fetch_one("schedules_get", id=schedule_id)
        return None if row is None else schedule_of(row)

    def by_name(self, name: str) -> Schedule | None:
        row = self._session.fetch_one("schedules_by_name", name=name)
        return None if row is None else schedule_of(row)

    def all(self) -> Sequence[Schedule]:
        return [schedule_of(row) for row in self._session.fetch("schedules_all")]

    def due(self, now: datetime) -> Sequence[str]:
        return [row["id"] for row in self._session.fetch("schedules_due", now=now)]

    def next_at(self) -> datetime | None:
        row = self._session.fetch_one("schedules_next")
        return time_of(row["at"]) if row else None

    def delete(self, schedule_id: str) -> None:
        self._session.send("schedules_delete", id=schedule_id)
