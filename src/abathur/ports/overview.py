"""Questions about many tasks at once: sums, and pages in the order of importance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from abathur.domain.tasks import Task, TaskSource, TaskStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusTotal:
    """The tasks of one status; of one target, where that was asked for."""

    target: str | None
    status: TaskStatus
    tasks: int
    priorities: int
    """The sum of their base priorities."""
    depth: int
    """The greatest dependency depth."""
    earliest: datetime
    """The first submission."""
    latest: datetime
    """The last submission."""
    changed: datetime
    """The last change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentTotal:
    agent_type: str
    tasks: int
    completed: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where a task stands in a page's order."""

    priority: int
    submitted_at: str
    """As it is stored."""
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFilter:
    """All conditions must hold. None doesn't ask."""

    status: TaskStatus | None = None
    exclude_status: TaskStatus | None = None
    agent_type: str | None = None
    source: TaskSource | None = None
    feature_branch: str | None = None
    after: Place | None = None
    limit: int = 50


class OverviewStore(Protocol):
    def totals(self, target: str | None) -> Sequence[StatusTotal]:
        """By status, of all tasks or those of one target; `target` of the totals is None."""
        ...

    def targets(self) -> Sequence[StatusTotal]:
        """By target and status, in order of target; tasks without a target aren't counted."""
        ...

    def agents(self, target: str) -> Sequence[AgentTotal]:
        """In order of agent type."""
        ...

    def page(self, where: PageFilter) -> Sequence[tuple[Place, Task]]:
        """Highest base priority first, then in order of submission; with prerequisites."""
        ...

    def children(self, task_ids: Sequence[str], limit: int) -> Sequence[str]:
        """Ids of the tasks that are parts of one of these, at most `limit`."""
        ...
