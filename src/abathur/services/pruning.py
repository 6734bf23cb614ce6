"""Removing ended tasks with all that belongs to them but their audit trail.

A task stays as long as a task that stays depends on it, is a part of it or was cancelled by it:
so no remaining task loses a row that it refers to, and `retry` finds what it needs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from abathur.domain.audit import Action
from abathur.domain.tasks import TaskStatus
from abathur.ports.stores import Stores
from abathur.ports.upkeep import Ended, PruneFilter, Reference
from abathur.services import trail

PAGE: Final = 500
BATCH: Final = 200
"""Tasks that one transaction removes; swarms get their turn in between."""

WHY: Final[Mapping[str, str]] = {
    "depends": "task {} depends on it",
    "part": "task {} is a part of it",
    "cancelled": "task {} was cancelled by it",
}


@dataclass(frozen=True, slots=True)
class Kept:
    task: Ended
    reason: str


@dataclass(frozen=True, slots=True)
class Selection:
    """What would be pruned, in an order in which it can be, and what is kept."""

    tasks: Sequence[Ended]
    kept: Sequence[Kept]


@dataclass(slots=True)
class Pruned:
    """What was removed."""

    tasks: list[Ended] = field(default_factory=list)
    rows: Counter[str] = field(default_factory=Counter)


def with_relations(stores: Stores, task_ids: Collection[str]) -> Collection[str]:
    """The tasks, their parts, and what depends on any of these, at any distance."""
    found: dict[str, None] = dict.fromkeys(task_ids)
    fresh = list(found)
    while fresh:
        page, fresh = fresh[:PAGE], fresh[PAGE:]
        for reference in stores.upkeep.references(page):
            if reference.by not in found:
                found[reference.by] = None
                fresh.append(reference.by)
    return found.keys()


def select(
    stores: Stores,
    where: PruneFilter,
    *,
    now: datetime,
    in_git: Mapping[str, str],
    limit: int | None = None,
    force: bool = False,
) -> Selection:
    """Which of the tasks meant can go. `in_git`: task -> what of it git still holds.

    The last submitted come first, since they may depend on older ones; with `limit` at most so
    many. With `force` what lies in git, and whether a worker may still clear it away, is ignored.
    """
    chosen: dict[str, Ended] = {}
    kept: dict[str, Kept] = {}
    while limit is None or len(chosen) < limit:
        found = dict(_round(stores, where, chosen, kept, now=now, in_git=in_git, force=force))
        room = None if limit is None else limit - len(chosen)
        chosen.update(list(found.items())[:room])
        # A plan may have given a task a higher id than one that depends on it: look once more.
        if not found or chosen.keys() >= kept.keys():
            break
    return Selection(
        list(chosen.values()), [one for one in kept.values() if one.task.id not in chosen]
    )


def _round(
    stores: Stores,
    where: PruneFilter,
    chosen: Mapping[str, Ended],
    kept: dict[str, Kept],
    *,
    now: datetime,
    in_git: Mapping[str, str],
    force: bool,
) -> Iterator[tuple[str, Ended]]:
    gone = set(chosen)
    for page in _pages(stores, where):
        tasks = {task.id: task for task in page if task.id not in gone}
        held = {} if force else _in_use(stores, tasks, now, in_git)
        blocked = _blocked(stores, tasks, held, gone)
        for task in tasks.values():
            if task.id in blocked:
                kept[task.id] = Kept(task, blocked[task.id])
            else:
                gone.add(task.id)
                yield task.id, task


def _pages(stores: Stores, where: PruneFilter) -> Iterator[Sequence[Ended]]:
    before: str | None = None
    while page := stores.upkeep.ended(where, before, PAGE):
        yield page
        before = page[-1].id


def _in_use(
    stores: Stores, task_ids: Collection[str], now: datetime, in_git: Mapping[str, str]
) -> dict[str, str]:
    in_hand = stores.upkeep.in_hand(task_ids, now)
    reasons = dict.fromkeys(in_hand, "a swarm may still be clearing up after it")
    return reasons | {one: in_git[one] for one in task_ids if one in in_git}


def _blocked(
    stores: Stores, tasks: Collection[str], held: Mapping[str, str], gone: Collection[str]
) -> dict[str, str]:
    """Task -> why it has to stay, for those that do."""
    references = [one for one in stores.upkeep.references(tasks) if one.by not in gone]
    blocked = dict(held)
    while True:
        more = {
            one.to: _why(one)
            for one in references
            if one.to not in blocked and (one.by not in tasks or one.by in blocked)
        }
        if not more:
            return blocked
        blocked.update(more)


def _why(reference: Reference) -> str:
    return WHY[reference.kind].format(reference.by)


def prune(stores: Stores, tasks: Sequence[Ended], *, now: datetime, actor: str) -> Pruned:
    """Remove those of the tasks that are as they were selected; one audit entry each.

    A task that was retried meanwhile, or that another one has come to need, stays.
    """
    wanted = {task.id: task for task in tasks}
    there = stores.upkeep.ended(PruneFilter(ids=wanted.keys()), None, len(wanted))
    same = {task.id: task for task in there if task.fence == wanted[task.id].fence}
    blocked = _blocked(stores, same, {}, ())
    going = [task for task in same.values() if task.id not in blocked]
    if not going:
        return Pruned()
    branches = stores.upkeep.branches([task.id for task in going])
    rows = stores.upkeep.remove([task.id for task in going])
    for task in going:
        trail.record(
            stores,
            Action.TASK_PRUNED,
            task.id,
            actor,
            now,
            status=[task.status, None],
            summary=task.summary,
            ended_at=task.ended_at,
            branches=sorted(branches.get(task.id, ())),
        )
    return Pruned(going, Counter(rows))


def statuses_of(tasks: Sequence[Ended]) -> dict[TaskStatus, int]:
    return dict(Counter(task.status for task in tasks))


def branches_of(stores: Stores, where: PruneFilter) -> dict[str, str]:
    """Branch -> task, of all tasks meant."""
    found: dict[str, str] = {}
    for page in _pages(stores, where):
        for task_id, names in stores.upkeep.branches([task.id for task in page]).items():
            found.update(dict.fromkeys(names, task_id))
    return found
