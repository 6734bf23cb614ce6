"""What the use cases need to know of schedules."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from abathur.domain.schedules import Schedule


class ScheduleStore(Protocol):
    def insert(self, schedule: Schedule) -> None: ...

    def save(self, schedule: Schedule) -> None:
        """Write what changes while it exists: its times, its last task, and whether it is paused"""
        ...

    def get(self, schedule_id: str) -> Schedule | None:
        """In a transaction that writes, nobody else changes it until the end."""
        ...

    def by_name(self, name: str) -> Schedule | None:
        """As `get`."""
        ...

    def all(self) -> Sequence[Schedule]:
        """By name."""
        ...

    def due(self, now: datetime) -> Sequence[str]:
        """Ids of those whose time has come, the earliest first."""
        ...

    def next_at(self) -> datetime | None:
        """The first time at which any is due."""
        ...

    def delete(self, schedule_id: str) -> None: ...


class ScheduleStores(Protocol):
    """This part of `ports.stores.Stores`."""

    @property
    def schedules(self) -> ScheduleStore: ...
