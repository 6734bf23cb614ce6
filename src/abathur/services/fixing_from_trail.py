"""Putting back what can't be read of a task's row, as its trail tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from abathur.domain.chain import broken_links
from abathur.domain.replay import NotTold, moment, replay
from abathur.domain.tasks import Task
from abathur.ports.stores import Stores

RETOLD: Final = (
    "source",
    "input_data",
    "result_data",
    "deadline",
    "submitted_at",
    "started_at",
    "completed_at",
    "not_before",
)
"""What is put back, beside the time of the last change. Where the task stands isn't touched."""


def retell(stores: Stores, row: Mapping[str, Any], now: datetime) -> Task | None:
    """The task as far as its trail tells it, after its row was given these values.

    None, and nothing is written, when the trail isn't whole or doesn't tell the task.
    """
    told = _told(stores, row["id"])
    if told is None:
        return None
    lease = _lease(row["lease_until"], now)
    told = replace(told, last_updated_at=now, lease_until=lease)
    return told if stores.upkeep.retell(told) else None


def _told(stores: Stores, task_id: str) -> Task | None:
    rows = stores.audit.rows_of(task_id)
    heads = stores.audit.heads([task_id])
    if any(broken_links(task_id, rows, heads[0] if heads else None)):
        return None
    try:
        return replay(rows)
    except NotTold:
        return None


def _lease(stored: str | None, now: datetime) -> datetime | None:
    """Renewals aren't told: a lease whose end can't be read ends now, and its holder renews it."""
    if stored is None:
        return None
    try:
        until = moment(stored)
    except ValueError:
        return now
    return until if f"{until.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}" == stored else now
