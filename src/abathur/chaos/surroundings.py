"""What is around the tasks of a ground: memories, a schedule, a pause, what is of no use."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Final

from abathur.bootstrap import new_id
from abathur.bootstrap.timing import next_time
from abathur.chaos.programs import git
from abathur.domain.admission import Hold, HoldCause, HoldScope
from abathur.domain.branches import salvage_ref
from abathur.domain.memories import NewMemory
from abathur.domain.records import changed
from abathur.domain.runs import Attempt
from abathur.domain.schedules import MissedPolicy, OverlapPolicy, Schedule
from abathur.domain.tasks import TaskStatus
from abathur.ports.stores import Stores
from abathur.services import remembering, scheduling

ACTOR: Final = "chaos"
KEY: Final = "briefed-tasks"
TARGET: Final = "refs/heads/main"


def surround(stores: Stores, now: datetime) -> None:
    """Once more, there is another schedule and another pause."""
    if stores.memories.get("project", KEY) is None:
        text = "A briefed task writes its key into a file of its own."
        told = NewMemory(namespace="project", key=KEY, value=text)
        remembering.add(stores, told, actor=ACTOR, now=now)
    _pause(stores, now)
    _schedule(stores, now)


def _pause(stores: Stores, now: datetime) -> None:
    """Of agents that no task asks for; it is over at once, so somebody has to take it away."""
    hold = Hold(
        id=new_id(),
        scope=HoldScope.AGENT_TYPE,
        name="nobody",
        cause=HoldCause.PERSON,
        reason="by chance",
        hold_until=now,
        created_by=ACTOR,
        created_at=now,
    )
    stores.admission.put_hold(hold)


def _schedule(stores: Stores, now: datetime) -> None:
    """Due already; what it submits changes nothing."""
    template = {"prompt": "look around", "input_data": {"script": [{"say": "all is well"}]}}
    schedule = Schedule(
        id=new_id(),
        name=f"look-{new_id()}",
        cron="0 0 1 1 *",
        time_zone="UTC",
        template=template,
        missed=MissedPolicy.SKIP,
        overlap=OverlapPolicy.SKIP,
        next_at=None,
        last_at=None,
        last_task_id=None,
        paused_at=None,
        created_by=ACTOR,
        created_at=now,
    )
    scheduling.add(stores, schedule, next_time)
    there = scheduling.find(stores, schedule.name)
    stores.schedules.save(changed(there, next_at=now - timedelta(seconds=1)))


def leave_unknown_report(root: Path) -> None:
    """Whole, and about nothing that there is."""
    folder = root / ".abathur" / "spool"
    folder.mkdir(exist_ok=True)
    body = b"{}"
    digest = sha256(body).hexdigest().encode()
    (folder / "unknown.report").write_bytes(digest + b"\n" + body)


def completed_attempt(stores: Stores, task_ids: Sequence[str]) -> Attempt | None:
    """The one that landed, of one of the tasks."""
    for task in stores.tasks.get_many(task_ids):
        if task.status is TaskStatus.COMPLETED:
            return stores.attempts.get(task.id, task.attempt_count)
    return None


def leave_of_no_use(root: Path, done: Attempt) -> None:
    """A report of it that was set aside, and a ref for what the target contains."""
    claim = f"{done.task_id}.{done.number}.{done.fence}"
    (root / ".abathur" / "spool" / f"{claim}.report.refused").write_bytes(b"known")
    git(root, "update-ref", salvage_ref(done.task_id, done.number + 1000), TARGET)
