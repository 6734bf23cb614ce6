"""What the queue proves to be of no use, and the entry of the trail when it goes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias

from abathur.domain.agents import Worker
from abathur.domain.audit import Action
from abathur.domain.cleaning import Unneeded, UnneededKind
from abathur.domain.landing import Landing
from abathur.domain.records import changed
from abathur.domain.tasks import Task, TaskStatus
from abathur.ports.spool import SpooledFile
from abathur.ports.stores import Stores
from abathur.services import trail
from abathur.services.reports import is_known

ACTIONS: Final[Mapping[UnneededKind, Action]] = {
    UnneededKind.SALVAGE: Action.SALVAGE_REMOVED,
    UnneededKind.WITHDRAWN: Action.WITHDRAWN_REMOVED,
    UnneededKind.TRANSCRIPTS: Action.TRANSCRIPTS_REMOVED,
    UnneededKind.REPORT: Action.REPORT_REMOVED,
}
Claim: TypeAlias = tuple[str, int]
"""A task and the number of its attempt."""
_TOLD: Final = ("name", "attempt", "commit", "target", "bytes")


def ended(stores: Stores, task_ids: Collection[str]) -> Mapping[str, Task]:
    """Those of the tasks that won't be worked on again unless a person asks for it."""
    return {task.id: task for task in stores.tasks.get_many(task_ids) if task.status.is_final}


def completed(stores: Stores, task_ids: Collection[str]) -> Sequence[str]:
    """Those of the tasks that are completed, the first completed first."""
    tasks = ended(stores, task_ids).values()
    done = [task for task in tasks if task.status is TaskStatus.COMPLETED]
    return [task.id for task in sorted(done, key=lambda task: (_end(task), task.id))]


def settled(stores: Stores, landings: Collection[Claim]) -> Collection[Claim]:
    """Those that are over, and that nobody is left to go on with.

    Who announced a merge may be frozen right before it moves the target. Who has ended the landing
    isn't, and no worker is that has stopped, was found dead, or started when it was over.
    """
    live = stores.workers.live()
    there = {task.id: task for task in stores.tasks.get_many({task_id for task_id, _ in landings})}
    return [one for one in landings if _is_settled(stores, *one, there.get(one[0]), live)]


def _is_settled(
    stores: Stores, task_id: str, attempt: int, task: Task | None, live: Sequence[Worker]
) -> bool:
    if task is None:
        return not live and _was_pruned(stores, task_id)
    over = [
        landing
        for landing in stores.landings.of_task(task_id)
        if landing.attempt == attempt and landing.state.is_final
    ]
    return (
        task.status.is_final
        and bool(over)
        and all(_is_past(landing, worker) for landing in over for worker in live)
    )


def _is_past(landing: Landing, worker: Worker) -> bool:
    """Whether the worker can't be about to go on with the landing, which is over."""
    started_later = landing.ended_at is not None and worker.started_at > landing.ended_at
    return worker.id == landing.worker_id or started_later


def aged(stores: Stores, task_ids: Collection[str], before: datetime) -> Sequence[Unneeded]:
    """Transcripts of tasks that ended before that time, or were pruned."""
    tasks = {task.id: task for task in stores.tasks.get_many(task_ids)}
    found = []
    for task_id in task_ids:
        task = tasks.get(task_id)
        if task is None:
            why = "its task was pruned" if _was_pruned(stores, task_id) else ""
        else:
            is_old = task.status.is_final and _end(task) < before
            why = f"its task ended on {_end(task):%Y-%m-%d}" if is_old else ""
        if why:
            kind = UnneededKind.TRANSCRIPTS
            found.append(Unneeded(kind=kind, task_id=task_id, name=task_id, why=why))
    return found


def _end(task: Task) -> datetime:
    return task.completed_at or task.last_updated_at


def _was_pruned(stores: Stores, task_id: str) -> bool:
    """One that this queue never knew may belong to another one."""
    entries = stores.audit.of_task(task_id)
    return any(entry.action_type is Action.TASK_PRUNED for entry in entries)


def known(stores: Stores, files: Collection[SpooledFile]) -> Sequence[Unneeded]:
    """Those of the spool's files whose report is in the database."""
    return [
        Unneeded(
            kind=UnneededKind.REPORT,
            task_id=file.task_id,
            name=file.name,
            why="the database has this report",
            attempt=file.attempt,
            bytes=file.bytes,
        )
        for file in files
        if is_known(stores, file.task_id, file.attempt, file.fence)
    ]


def tell_removed(
    stores: Stores, removed: Collection[Unneeded], now: datetime, actor: str
) -> Sequence[Unneeded]:
    """One audit entry each; those that may go, for a task may have been queued again meanwhile.

    An attempt whose salvage ref goes no longer names it.
    """
    there = ended(stores, {one.task_id for one in removed})
    told = []
    for one in removed:
        if one.kind is UnneededKind.SALVAGE:
            if one.task_id not in there:
                continue
            _unname(stores, one)
        if one.kind is UnneededKind.WITHDRAWN and not settled(stores, [_claim(one)]):
            continue
        data: dict[str, Any] = {name: getattr(one, name) for name in _TOLD}
        data = {name: value for name, value in data.items() if value is not None}
        task_id = trail.known(stores, one.task_id)
        trail.record(stores, ACTIONS[one.kind], task_id, actor, now, **data)
        told.append(one)
    return told


def _claim(one: Unneeded) -> Claim:
    return one.task_id, one.attempt or 0


def _unname(stores: Stores, one: Unneeded) -> None:
    attempt = stores.attempts.get(one.task_id, one.attempt or 0)
    if attempt is not None and attempt.salvage_ref == one.name:
        stores.attempts.save(changed(attempt, salvage_ref=None), attempt)
