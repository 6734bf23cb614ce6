"""Sums over the queue and over targets, and pages of tasks, for callers that may see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from abathur.domain.tasks import Task, TaskStatus
from abathur.ports.overview import AgentTotal, PageFilter, Place, StatusTotal
from abathur.ports.stores import Stores
from abathur.services.reading import priority_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    tasks: Sequence[tuple[Task, float]]
    """With their calculated priorities."""
    next: Place | None
    """Where the next page begins; None when this was the last one."""


def page(stores: Stores, where: PageFilter, now: datetime) -> Page:
    found = stores.overview.page(replace(where, limit=where.limit + 1))
    shown = found[: where.limit]
    return Page(
        tasks=[(task, priority_of(stores, task, now)) for _, task in shown],
        next=shown[-1][0] if len(found) > where.limit else None,
    )


def totals(stores: Stores, target: str | None) -> Sequence[StatusTotal]:
    return stores.overview.totals(target)


def targets(stores: Stores) -> dict[str, list[StatusTotal]]:
    """By target."""
    found: dict[str, list[StatusTotal]] = {}
    for total in stores.overview.targets():
        found.setdefault(total.target or "", []).append(total)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSummary:
    totals: Sequence[StatusTotal]
    agents: Sequence[AgentTotal]


def target_summary(stores: Stores, target: str) -> TargetSummary:
    overview = stores.overview
    return TargetSummary(totals=overview.totals(target), agents=overview.agents(target))


def blockers(stores: Stores, target: str, limit: int) -> Sequence[Task]:
    """Failed tasks of a target, then blocked ones; at most `limit` of each."""
    return [
        task
        for status in (TaskStatus.FAILED, TaskStatus.BLOCKED)
        for _, task in stores.overview.page(
            PageFilter(status=status, feature_branch=target, limit=limit)
        )
    ]
