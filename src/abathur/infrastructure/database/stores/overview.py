"""Sums over tasks, and pages of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from abathur.domain.tasks import TaskStatus
from abathur.infrastructure.database.codecs import moment
from abathur.infrastructure.database.stores.rows import task_of
from abathur.ports.overview import AgentTotal, Place, StatusTotal

if TYPE_CHECKING:
    from abathur.domain.tasks import Task
    from abathur.infrastructure.database.engines.base import Row, Session
    from abathur.ports.overview import PageFilter


class SqlOverview:
    """Meets `ports.overview.OverviewStore`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def totals(self, target: str | None) -> Sequence[StatusTotal]:
        return [_total(row) for row in self._session.fetch("overview_totals", target=target)]

    def targets(self) -> Sequence[StatusTotal]:
        return [_total(row) for row in self._session.fetch("overview_targets")]

    def agents(self, target: str) -> Sequence[AgentTotal]:
        return [AgentTotal(**row) for row in self._session.fetch("overview_agents", target=target)]

    def page(self, where: PageFilter) -> Sequence[tuple[Place, Task]]:
        after = where.after
        rows = self._session.fetch(
            "overview_page",
            status=where.status,
            exclude_status=where.exclude_status,
            agent_type=where.agent_type,
            source=where.source,
            target=where.feature_branch,
            after_priority=after.priority if after else None,
            after_at=after.submitted_at if after else None,
            after_id=after.id if after else None,
            limit=where.limit,
        )
        return [
            (Place(row["priority"], row["submitted_at"], row["id"]), task_of(row)) for row in rows
        ]

    def children(self, task_ids: Sequence[str], limit: int) -> Sequence[str]:
        rows = self._session.fetch("overview_children", ids=list(task_ids), limit=limit)
        return [row["id"] for row in rows]


def _total(row: Row) -> StatusTotal:
    return StatusTotal(
        target=row.get("target"),
        status=TaskStatus(row["status"]),
        tasks=row["tasks"],
        priorities=row["priorities"],
        depth=row["depth"],
        earliest=moment(row["earliest"]),
        latest=moment(row["latest"]),
        changed=moment(row["changed"]),
    )
