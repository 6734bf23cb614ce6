"""The fields of what the schedule commands print."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from abathur.cli.shape_fields_database import Fields

SCHEDULE: Final[Fields] = {
    "id": ("string", "its id, a UUID"),
    "name": ("string", "its name"),
    "cron": ("string", "minute, hour, day, month and weekday"),
    "time_zone": ("string", "in which the cron text is meant"),
    "template": ("object", "what is submitted: fields of a task, and `budget_usd`"),
    "missed": ("string", "skip or all: what times are worth at which no swarm ran"),
    "overlap": ("string", "skip or allow: whether a time passes while the last task isn't ended"),
    "next_at": ("time?", "when it is due; null while it is paused"),
    "next_times": ("time[]", "the first of the times to come; none while it is paused"),
    "last_at": ("time?", "the due time of its last task"),
    "last_task_id": ("string?", "its last task, unless that was pruned"),
    "paused_at": ("time?", "null: it isn't paused"),
    "created_by": ("string", "who added it"),
    "created_at": ("time", "when it was added"),
}

SHAPES: Final[Mapping[str, Fields]] = {"Schedule": SCHEDULE}

COMMAND_SHAPES: Final[Mapping[str, str]] = {
    "schedule add": "Schedule",
    "schedule list": "Schedule[]",
    "schedule show": "Schedule",
    "schedule pause": "Schedule",
    "schedule resume": "Schedule",
    "schedule remove": "Schedule",
    "schedule run": "Task",
}
