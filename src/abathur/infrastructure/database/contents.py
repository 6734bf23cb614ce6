"""What a database holds in short, and what it holds that a backup doesn't."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from abathur.domain.agents import Worker
from abathur.domain.audit import Action
from abathur.infrastructure.database.engines.bulk import Rows
from abathur.infrastructure.database.stores.rows import worker_of
from abathur.ports.restoring import Contents, Difference


def contents_of(rows: Rows) -> Contents:
    counts: Sequence[Any] = rows.fetch("restore_counts")
    version: Any = rows.fetch("restore_schema")[0][0]
    last_noted: Any = rows.fetch("restore_last_noted")[0][0]
    return Contents(
        schema_version=version,
        tasks=dict(counts),
        last_entry=next(iter(rows.fetch("restore_last_entry")), None),
        last_noted=last_noted,
    )


def difference_of(rows: Rows, backup: Contents) -> Difference:
    last: Any = backup.last_entry
    is_descendant = last is None or rows.fetch("restore_entry", id=last[0]) == [last]
    counts: Sequence[Any] = rows.fetch("restore_entries_since", id=last[0] if last else 0)
    since: dict[str, int] = dict(counts)
    sessions: Any = rows.fetch("restore_noted_since", at=backup.last_noted)[0][0]
    return Difference(
        is_descendant=is_descendant,
        entries=sum(since.values()),
        completed=since.get(Action.TASK_COMPLETED, 0),
        fixes=since.get(Action.TASK_FIXED, 0) + since.get(Action.ROW_FIXED, 0),
        sessions=sessions,
    )


def live_workers_of(rows: Rows) -> Sequence[Worker]:
    """Those that haven't said that they stopped."""
    fields = Worker.__dataclass_fields__
    found = rows.fetch("restore_live_workers")
    return [worker_of(dict(zip(fields, row, strict=True))) for row in found]
